"""A test under Locust as a run on disk: opened at its start, a cell for each store at its end."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from windtunnel.live.load_profile import is_paused, rates, slow_work
from windtunnel.recording import environment, results
from windtunnel.recording.nginx_log import AccessLog
from windtunnel.recording.run_folder import RunFolder
from windtunnel.runner.run_writer import RunWriter, Templates
from windtunnel.workload.slow import SLOW, SlowWork, describe_streams
from windtunnel.workload.stores import StoreInfo

log = logging.getLogger("windtunnel")

SETTINGS: Final = (
    "mix", "target", "host", "population", "summary_size", "seed", "rate", "poisson",
    "max_in_flight", "retry_stale", "cookies", "slow_work", "sleep_ms",
)  # fmt: skip


class LocustRun:
    """The run of a test: an open folder, and the `writer` that takes the reports.

    `access_log` is that of the nginx that the load goes through, if it is on this machine: it has
    nginx's part of each sample.
    """

    def __init__(
        self,
        folder: RunFolder,
        info: results.RunInfo,
        writer: RunWriter,
        access_log: Path | None = None,
    ) -> None:
        self.path = folder.path
        self.writer = writer
        self._folder = folder
        self._info = info
        self._tails = [] if access_log is None else [AccessLog(access_log, every=True)]

    def finish(self) -> None:
        """Write all that was reported, as a finished run; raises ResultsError."""
        self.writer.stop()
        cells = self.writer.cells()
        for cell in cells:
            self._folder.append(cell)
        self._folder.remove_partial()
        self._folder.finish(self._info)
        self.writer.write_rest()
        for cell in cells:
            self._folder.log(cell)
        self._folder.join(self._tails)


def open_run(
    options: Namespace,
    scenario: str,
    stores: Sequence[StoreInfo],
    users: Callable[[], int],
    report_delay_s: int,
    access_log: Path | None,
) -> LocustRun:
    """Open the run of a test that starts; raises ResultsError."""
    settings = _settings(options) | {"users": users()}
    info = results.RunInfo(
        scenario=scenario,
        started=datetime.now(UTC),
        seed=settings["seed"],
        git=environment.git(Path(__file__).parent),
        host=environment.gather(),
        settings={**settings, "under": "locust"},
        stores={store.id: msgspec.convert(store.ledger, results.Ledger) for store in stores},
    )
    folder = RunFolder(results.begin(Path(options.results), info), log.warning)
    writer = RunWriter(folder, partial(_templates, options, stores, users), report_delay_s)
    return LocustRun(folder, info, writer, access_log)


def _settings(options: Namespace) -> dict[str, Any]:
    settings = {name: getattr(options, name) for name in SETTINGS if hasattr(options, name)}
    return settings if hasattr(options, "rate") else {**settings, "rates": rates(options)}


def _templates(
    options: Namespace, stores: Sequence[StoreInfo], users: Callable[[], int]
) -> Templates:
    """Return the cell of each store under the current load, before anything is measured."""
    load = _load(options, users)
    return {
        store.id: results.Cell(
            store=store.id,
            mix=options.mix,
            target=options.target,
            connections=msgspec.convert(store.ledger, results.Ledger).connections,
            seconds=0.0,
            throughput_rps=0.0,
            **load,
        )
        for store in stores
    }


def _load(options: Namespace, users: Callable[[], int]) -> Mapping[str, Any]:
    if is_paused(options):
        return {"users": 0}
    by_stream = rates(options)
    if not by_stream:
        return {"users": users()}
    streams = describe_streams(by_stream, options.mix, slow_work(options) or SlowWork())
    return {
        "rate": next(iter(by_stream.values())),
        "slow_rate": by_stream.get(SLOW),
        "streams": streams,
    }
