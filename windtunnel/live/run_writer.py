"""A test under Locust as a run on disk: opened as it begins, a cell for each store in the end."""

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
    """The run of a test: its folder has been opened, and `writer` takes the reports.

    `access_log` is nginx's, if the load goes through one whose log is at hand: it knows a part of
    each sample.
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


def begin(
    options: Namespace,
    scenario: str,
    offers: Sequence[StoreInfo],
    users: Callable[[], int],
    patience: int,
    access_log: Path | None,
) -> LocustRun:
    """Open the run of a test that begins; raises ResultsError."""
    settings = _settings(options) | {"users": users()}
    info = results.RunInfo(
        scenario=scenario,
        started=datetime.now(UTC),
        seed=settings["seed"],
        git=environment.git(Path(__file__).parent),
        host=environment.gather(),
        settings={**settings, "under": "locust"},
        stores={offer.id: msgspec.convert(offer.ledger, results.Ledger) for offer in offers},
    )
    folder = RunFolder(results.begin(Path(options.results), info), log.warning)
    writer = RunWriter(folder, partial(_templates, options, offers, users), patience)
    return LocustRun(folder, info, writer, access_log)


def _settings(options: Namespace) -> dict[str, Any]:
    settings = {name: getattr(options, name) for name in SETTINGS if hasattr(options, name)}
    return settings if hasattr(options, "rate") else {**settings, "rates": rates(options)}


def _templates(
    options: Namespace, offers: Sequence[StoreInfo], users: Callable[[], int]
) -> Templates:
    """Return the cell of each store under the load of now, before anything is measured."""
    load = _load(options, users)
    return {
        offer.id: results.Cell(
            store=offer.id,
            mix=options.mix,
            target=options.target,
            connections=msgspec.convert(offer.ledger, results.Ledger).connections,
            seconds=0.0,
            throughput_rps=0.0,
            **load,
        )
        for offer in offers
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
