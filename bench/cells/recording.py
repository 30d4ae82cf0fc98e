"""What a recorder counted, second by second and in all, on disk while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import gevent
import msgspec

from bench.disk.results import PARTIAL_FILE
from bench.disk.streams import SAMPLES_FILE, SERIES_FILE
from bench.load.lane import Sent
from bench.measure.recorder import (
    Key,
    Recorded,
    Recorder,
    Times,
    merge,
    quantile,
    quantiles,
    summarise,
)
from bench.measure.sampler import Sampler, told
from bench.wire.answer import OK, STALE

PARTIAL_EVERY: Final = 5
"""Seconds after which what is under way is written once more."""

INCOMPLETE: Final = "incomplete: not finished when this was written"

_SHOWN: Final = ("p50", "p99")


class Recording:
    """Drains a recorder every second, from when it is made until it is told to `end`.

    `folder` gets the files, if there is one; `facts` is what every line of them begins with, and
    `counted` tells what else a cell says of what was recorded so far.
    Should that fail, `error` says so and the rest is recorded without.
    """

    def __init__(
        self,
        recorder: Recorder,
        folder: Path | None,
        facts: Mapping[str, Any],
        sampler: Sampler | None = None,
        counted: Callable[[Recorded], Mapping[str, Any]] = lambda _: {},
    ) -> None:
        self.error: OSError | None = None
        self._recorder = recorder
        self._folder = folder
        self._facts = facts
        self._sampler = sampler
        self._counted = counted
        self._total: Recorded = {}
        self._second = 0
        self._began = perf_counter()
        recorder.take()
        if sampler is not None:
            sampler.take()
        self._greenlet = gevent.spawn(self._work)

    def end(self) -> Recorded:
        """Return all that was recorded, each second of it on disk."""
        self._greenlet.kill()
        self._drain(last=True)
        self._write(_no_partial)
        return self._total

    def _work(self) -> None:
        while True:
            gevent.sleep(max(0.0, self._began + self._second + 1 - perf_counter()))
            self._drain()
            if self._folder is not None and self._second % PARTIAL_EVERY == 0:
                self._write(partial(write_partial, cells=[self._cell()]))

    def _drain(self, *, last: bool = False) -> None:
        taken = self._recorder.take()
        if last and not taken:
            return
        merge(self._total, taken)
        line = {**self._facts, "second": self._second, "operations": seconds(taken)}
        self._second += 1
        self._write(partial(append_second, line=line))
        if self._sampler is not None:
            samples = [{**self._facts, **told(one)} for one in self._sampler.take()]
            self._write(partial(append_samples, samples=samples))

    def _cell(self) -> dict[str, Any]:
        cell = unfinished(self._facts, self._total, perf_counter() - self._began)
        return cell | dict(self._counted(self._total))

    def _write(self, what: Callable[[Path], None]) -> None:
        if self._folder is None:
            return
        try:
            what(self._folder)
        except OSError as error:
            self.error, self._folder = error, None


def unfinished(facts: Mapping[str, Any], recorded: Recorded, seconds: float) -> dict[str, Any]:
    """Return what is known of a cell under way, as a line of `partial.jsonl`."""
    return {**facts, **measured(recorded, seconds), "flags": [INCOMPLETE]}


def measured(recorded: Recorded, seconds: float) -> dict[str, Any]:
    """Return what a cell says of `seconds` in which this was recorded."""
    return {
        "seconds": round(seconds, 6),
        "throughput_rps": round(right(recorded) / seconds, 3),
        "operations": operations(recorded),
    }


def append_second(folder: Path, line: Mapping[str, Any]) -> None:
    """Add a line to `series.jsonl`; raises OSError."""
    with (folder / SERIES_FILE).open("ab") as file:
        file.write(msgspec.json.encode(line) + b"\n")


def append_samples(folder: Path, samples: Iterable[Mapping[str, Any]]) -> None:
    """Add lines to `samples.jsonl`; raises OSError."""
    with (folder / SAMPLES_FILE).open("ab") as file:
        file.write(b"".join(msgspec.json.encode(sample) + b"\n" for sample in samples))


def write_partial(folder: Path, cells: Iterable[Mapping[str, Any]]) -> None:
    """Replace `partial.jsonl`, so that whoever reads it finds whole lines; raises OSError."""
    draft = folder / f".{PARTIAL_FILE}"
    draft.write_bytes(b"".join(msgspec.json.encode(cell) + b"\n" for cell in cells))
    draft.replace(folder / PARTIAL_FILE)


def _no_partial(folder: Path) -> None:
    (folder / PARTIAL_FILE).unlink(missing_ok=True)


def right(recorded: Recorded) -> int:
    """How many answers were right."""
    return sum(sum(t.service.values()) for key, t in recorded.items() if key.outcome == OK)


def seconds(taken: Recorded) -> list[dict[str, Any]]:
    """Return `operations` of a line of `series.jsonl`."""
    return [
        named(key, times)
        | {
            "service_us": quantiles(times.service, *_SHOWN),
            "response_us": quantiles(times.response, *_SHOWN) if times.response else None,
        }
        for key, times in sorted(taken.items())
    ]


def operations(recorded: Recorded) -> list[dict[str, Any]]:
    """Return `operations` of a cell. It takes up to a millisecond each, so others get a turn."""
    found = []
    for key, times in sorted(recorded.items()):
        response = summarise(times.response) if times.response else None
        found.append(
            named(key, times) | {"service_us": summarise(times.service), "response_us": response}
        )
        gevent.sleep(0)
    return found


def named(key: Key, times: Times) -> dict[str, Any]:
    """What an entry of `operations` begins with."""
    return {
        "operation": key.operation,
        "pool": key.pool,
        "outcome": key.outcome,
        "count": sum(times.service.values()),
    }


def counts(recorded: Recorded, sent: Sent | None) -> dict[str, int | None]:
    """Return the counts of a cell; those of a schedule are None where there was none."""
    stale = sum(sum(t.service.values()) for key, t in recorded.items() if key.outcome == STALE)
    return {
        "intended": None if sent is None else sent.intended,
        "late": None if sent is None else sent.late,
        "skipped": None if sent is None else sent.skipped,
        "stale": stale,
    }


def schedule(sent: Sent | None) -> dict[str, float | None]:
    """Return what a cell's `health` says of how late it sent."""
    lag = sent.lag if sent is not None else {}
    return {"schedule_lag_p99_ms": quantile(lag, 0.99) / 1000 if lag else None}
