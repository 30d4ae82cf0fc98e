"""Writes what a test records into the folder of its run: by second, and its cells in the end.

The one way from reports to files, of a cell under `windtunnel run` and of a test under Locust.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Final

import gevent
import msgspec

from windtunnel.analysis.wording import counted
from windtunnel.recording.histogram import Histogram
from windtunnel.recording.recorder import Histograms, merge_into
from windtunnel.recording.results import Cell
from windtunnel.recording.run_folder import RunFolder
from windtunnel.recording.series import (
    OperationSecond,
    SampledRequest,
    Second,
    SecondLatencies,
)
from windtunnel.runner.collector import Report, by_store
from windtunnel.runner.side_measurements import SideMeasurements
from windtunnel.runner.totals import Totals

PARTIAL_EVERY: Final = 5
"""Seconds after which the unfinished cells are written again."""

INCOMPLETE: Final = "incomplete: not finished when this was written"

Templates = Mapping[str, Cell]
"""By store, its cell before anything is measured: its conditions and streams."""


class RunWriter:
    """Takes the reports of all processes that send and writes them down, a cell for each store.

    `templates` returns the cells as the load is now: where it changes, they are flagged. A second
    is written `patience` seconds after its end by `clock`, when all reports of it are expected.
    Without a folder nothing is written.
    """

    def __init__(
        self,
        folder: RunFolder | None,
        templates: Callable[[], Templates],
        patience: int = 1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.surroundings: Callable[[bool], SideMeasurements] = lambda _last: SideMeasurements()
        """Returns what goes on beside the load; the last reading may take longer than others."""
        self._read_templates = templates
        self._templates = templates()
        self._patience = patience
        self._clock = clock
        self._began = perf_counter()
        self._first = self._written = self._last = int(clock())
        self._totals = Totals(self._templates, self._began)
        self._pending: dict[int, Histograms] = {}
        self._samples: list[SampledRequest] = []
        self._flags: list[str] = []
        self._greenlet: gevent.Greenlet = gevent.spawn(self._work)

    def take(self, report: Report, sender: str = "") -> None:
        """Add what the process `sender` recorded."""
        self._totals.take(report, sender)
        if self.folder is None or not self.folder.has_series:
            return
        for second, entries in report.seconds.items():
            merge_into(self._pending.setdefault(max(second, self._written), {}), dict(entries))
        self._samples += report.samples

    def lose(self, name: str, parts: int, until: float) -> None:
        """Flag that the process `name`, one of `parts`, ended, and count its share as skipped.

        That is from its last report to `until`. Should it report again, that report counts.
        """
        sender = self._totals.sender(name)
        if sender.lost:
            return
        template = next(iter(self._templates.values()))
        rates = {name: stream.rate for name, stream in template.streams.items()}
        share = max(0.0, until - sender.last_report_at) / parts / len(self._templates)
        sender.lose(
            {n: round(share * rate) for n, rate in (rates or {"": template.rate or 0.0}).items()}
        )
        second = int(sender.last_report_at - self._began)
        self._flags.append(f"a worker was lost at second {second}: its requests count as skipped")

    def stop(self) -> None:
        """Write no more by itself: every report has been taken."""
        self._greenlet.kill()
        self._check_load()
        ends = [second + 1 for second, histograms in self._pending.items() if histograms]
        self._last = max([int(self._clock()), *ends])

    def cells(self, duration_s: float | None = None) -> list[Cell]:
        """Return the finished cells, of `duration_s` from its beginning (until now)."""
        return self._cells(duration_s, last=True)

    def write_rest(self) -> None:
        """Write what is left to write of the seconds."""
        if self.folder is not None and self.folder.has_series:
            self._write_series(self.folder, self._last)

    def _work(self) -> None:
        for step in range(1, 10**9):
            gevent.sleep(1)
            self._check_load()
            if self.folder is None or not self.folder.has_series:
                self._pending.clear()
                self._samples.clear()
                continue
            self._write_series(self.folder, int(self._clock()) - self._patience)
            if step % PARTIAL_EVERY == 0:
                self.folder.write_partial(self._cells(flags=[INCOMPLETE]))

    def _check_load(self) -> None:
        templates = self._read_templates()
        if templates != self._templates:
            second = int(self._clock()) - self._first
            load = describe_load(next(iter(self._templates.values())))
            self._flags.append(f"the load changed at second {second}, from {load}")
            self._templates = templates

    def _write_series(self, folder: RunFolder, before: int) -> None:
        conditions = {
            store: msgspec.structs.asdict(template.conditions)
            for store, template in self._templates.items()
        }
        for second in range(self._written, before):
            histograms = by_store(self._pending.pop(second, {}))
            folder.append_seconds(
                Second(
                    **conditions[store],
                    second=second - self._first,
                    operations=operations_of_second(histograms.get(store, {})),
                )
                for store in conditions
            )
        self._written = max(self._written, before)
        samples, self._samples = self._samples, []
        folder.append_samples(
            msgspec.structs.replace(sample, **conditions[sample.store or ""]) for sample in samples
        )

    def _cells(
        self, duration_s: float | None = None, *, flags: Sequence[str] = (), last: bool = False
    ) -> list[Cell]:
        surroundings = self.surroundings(last)
        elapsed = perf_counter() - self._began if duration_s is None else duration_s
        make = partial(self._totals.cell, surroundings=surroundings, duration_s=elapsed)
        cells = [
            make(msgspec.structs.replace(template, flags=[*flags]))
            for template in self._templates.values()
        ]
        return [msgspec.structs.replace(cell, flags=[*cell.flags, *self._flags]) for cell in cells]


def operations_of_second(histograms: Histograms) -> list[OperationSecond]:
    """Return `operations` of a line of `series.jsonl`."""
    return [
        OperationSecond(
            operation=key.operation,
            pool=key.pool,
            outcome=key.outcome,
            count=latencies.service.count,
            service_us=times_of_second(latencies.service),
            response_us=times_of_second(latencies.response) if latencies.response else None,
        )
        for key, latencies in sorted(histograms.items())
    ]


def times_of_second(histogram: Histogram) -> SecondLatencies:
    """Return a histogram as a line of `series.jsonl` has it."""
    return msgspec.convert(histogram.quantiles("p50", "p99"), SecondLatencies)


def describe_load(template: Cell) -> str:
    """Return a load in a few words."""
    if template.streams:
        return " and ".join(f"{n} {s.rate:g}/s" for n, s in template.streams.items())
    if template.rate:
        return f"{template.rate:g} requests/s"
    return counted(template.users or 0, "user")
