"""Brings what the processes of a test recorded to the one that writes it down."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import perf_counter
from typing import Any, Final

import gevent
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from bench import collector
from bench.collector import FIELD, Collector
from bench.crowd import Crowd
from bench.journal import Journal
from bench.open import OpenLoad
from bench.results import ResultsError

LAST: Final = "recorded"
"""The message with which a worker that has halted tells the rest."""

GRACE: Final = 2.0
"""Seconds that a last report may take, beyond what requests under way are given."""

_STEP: Final = 0.01

log = logging.getLogger("windtunnel")


class Keeper:
    """Collects, or keeps the journal, or both: by the part that this process has in a test."""

    def __init__(self) -> None:
        self._collector: Collector | None = None
        self._journal: Journal | None = None
        self._awaited: set[str] = set()

    def listen(self, environment: Environment) -> None:
        """Take part in how workers report to their master."""
        runner = environment.runner
        if isinstance(runner, WorkerRunner):
            environment.events.report_to_master.add_listener(self._on_report)
        if isinstance(runner, MasterRunner):
            environment.events.worker_report.add_listener(self._on_worker_report)
            runner.register_message(LAST, self._on_last)

    def collect(self, crowd: Crowd, load: OpenLoad) -> None:
        """Begin to collect what this process records."""
        if self._collector is not None:
            self._collector.end()
        self._collector = Collector(crowd, load.take_sent)
        if self._journal is not None:
            self._journal.source = self._collector.fetch

    def keep(self, journal: Journal | None) -> None:
        """Begin a journal, of what this process collects and of what workers report."""
        self._journal = journal
        if journal is not None and self._collector is not None:
            journal.source = self._collector.fetch

    def send_last(self, runner: WorkerRunner) -> None:
        """Tell the master what is left; this process has halted."""
        if self._collector is not None:
            runner.send_message(LAST, {FIELD: collector.encode(self._collector.end())})
            self._collector = None

    def await_last(self, workers: Sequence[str], timeout: float) -> None:
        """Wait for the last reports of workers, which are halting; at most so many seconds."""
        self._awaited = set(workers)
        until = perf_counter() + timeout + GRACE
        while self._awaited and perf_counter() < until:
            gevent.sleep(_STEP)

    def close(self) -> None:
        """Finish the journal, if there is one."""
        journal, ended = self._journal, self._collector
        self._journal = self._collector = None
        report = ended.end() if ended is not None else None
        if journal is None:
            return
        if report is not None:
            journal.take(report)
        try:
            journal.finish()
        except ResultsError as error:
            log.warning("%s", error)
        else:
            log.info("recorded: windtunnel report %s", journal.folder)

    def _on_report(self, data: dict[str, Any], **_: Any) -> None:
        if self._collector is not None:
            data[FIELD] = collector.encode(self._collector.fetch())

    def _on_worker_report(self, data: dict[str, Any], **_: Any) -> None:
        report = data.pop(FIELD, None)
        if report is not None and self._journal is not None:
            self._journal.take(collector.decode(report))

    def _on_last(self, msg: Any, **_: Any) -> None:
        if self._journal is not None:
            self._journal.take(collector.decode(msg.data[FIELD]))
        self._awaited.discard(msg.node_id)
