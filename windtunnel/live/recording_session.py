"""Brings what the processes of a test recorded to the one that writes it down."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import perf_counter
from typing import Any, Final

import gevent
from gevent.queue import Queue
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from windtunnel.errors import ExitCode
from windtunnel.live.monitor import Monitor
from windtunnel.live.run_writer import LocustRun
from windtunnel.live.window import RollingWindow
from windtunnel.recording.results import ResultsError
from windtunnel.recording.sampler import Sampler
from windtunnel.runner import collector
from windtunnel.runner.collector import FIELD, Collector, Report
from windtunnel.workload.open_load import OpenLoad
from windtunnel.workload.user_pool import UserPool

LAST: Final = "recorded"
"""The message with which a worker that has halted tells the rest."""

HERE: Final = "here"
"""What a test's only process is called."""

SAMPLES: Final = 50
"""Requests of every second of a process that are kept whole."""

GRACE: Final = 2.0
"""Seconds that a last report may take, beyond what requests under way are given."""

_STEP: Final = 0.01

log = logging.getLogger("windtunnel")


class Keeper:
    """Collects, or keeps the journal, or both: by the part that this process has in a test.

    `recent` and `monitor` hold what is seen of a test while it goes on, until the next one begins;
    a worker has neither.
    """

    def __init__(self) -> None:
        self.recent = RollingWindow()
        self.monitor: Monitor | None = None
        self._shown: Queue[tuple[Report, str]] = Queue()
        self._collector: Collector | None = None
        self._journal: LocustRun | None = None
        self._awaited: set[str] = set()

    def listen(self, environment: Environment) -> None:
        """Take part in how workers report to their master."""
        runner, self._environment = environment.runner, environment
        self._alone = not isinstance(runner, WorkerRunner)
        if self._alone:
            gevent.spawn(self._show)
        if isinstance(runner, WorkerRunner):
            environment.events.report_to_master.add_listener(self._on_report)
        if isinstance(runner, MasterRunner):
            environment.events.worker_report.add_listener(self._on_worker_report)
            runner.register_message(LAST, self._on_last)

    def collect(self, user_pool: UserPool, load: OpenLoad) -> None:
        """Begin to collect what this process records."""
        if self._collector is not None:
            self._collector.end()
        user_pool.sampler = Sampler(SAMPLES, user_pool.config.seed + user_pool.rank)
        self._collector = Collector(user_pool, load.take_stats, self._take if self._alone else None)

    def keep(self, journal: LocustRun | None, url: str, members: Sequence[str]) -> None:
        """Begin to watch what serves at `url`, and a journal, if there is one, of all reports.

        `members` are the processes that will report.
        """
        if self.monitor is not None:
            self.monitor.stop()
        self.monitor = Monitor(url)
        self.recent.begin(members)
        self._journal = journal
        if journal is not None:
            journal.writer.surroundings = self.monitor.surroundings

    def send_last(self, runner: WorkerRunner) -> None:
        """Tell the master what is left; this process has halted."""
        if self._collector is not None:
            runner.send_message(LAST, {FIELD: collector.encode(self._collector.end())})
            self._collector = None

    def lose(self, member: str, parts: int, until: float | None = None) -> None:
        """Take note that `member`, one of `parts`, ended before `until` (now), with no last word.

        Moments are those of `time.perf_counter()`.
        """
        if self._journal is not None:
            self._journal.writer.lose(member, parts, perf_counter() if until is None else until)

    def await_last(self, workers: Sequence[str], timeout: float) -> set[str]:
        """Wait for the last reports of workers, which are halting; at most so many seconds.

        Returns those who told nothing.
        """
        self._awaited = set(workers)
        until = perf_counter() + timeout + GRACE
        while self._awaited and perf_counter() < until:
            gevent.sleep(_STEP)
        return set(self._awaited)

    def close(self) -> None:
        """Finish the journal, if there is one."""
        journal, ended = self._journal, self._collector
        self._collector = None
        if ended is not None:
            self._take(ended.end())
        self._journal = None
        if self.monitor is not None:
            self.monitor.drain()
        try:
            if journal is None:
                return
            journal.finish()
        except ResultsError as error:
            log.error("%s: make room, or choose another folder (--results)", error)
            options = self._environment.parsed_options
            if options is not None and options.headless:
                self._environment.process_exit_code = ExitCode.SETUP
        else:
            log.info("recorded: windtunnel report %s", journal.path)
        finally:
            if self.monitor is not None:
                self.monitor.stop()

    def _on_report(self, data: dict[str, Any], **_: Any) -> None:
        if self._collector is not None:
            data[FIELD] = collector.encode(self._collector.fetch())

    def _on_worker_report(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        report = data.pop(FIELD, None)
        if report is not None:
            self._take(collector.decode(report), client_id)

    def _on_last(self, msg: Any, **_: Any) -> None:
        self._take(collector.decode(msg.data[FIELD]), msg.node_id)
        self._awaited.discard(msg.node_id)

    def _show(self) -> None:
        for report, member in self._shown:
            self.recent.take(report, member)

    def _take(self, report: Report, member: str = HERE) -> None:
        self._shown.put((report, member))
        if self.monitor is not None:
            self.monitor.generator_s += report.cpu_s
        if self._journal is not None:
            self._journal.writer.take(report, member)
