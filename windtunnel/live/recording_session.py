"""Collects what the processes of a test recorded, in the process that writes the run."""

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
from windtunnel.live.locust_run import LocustRun
from windtunnel.live.monitor import Monitor
from windtunnel.live.window import RollingWindow
from windtunnel.recording.results import ResultsError
from windtunnel.recording.sampler import Sampler
from windtunnel.runner.collector import FIELD, Collector, Report, decode, encode
from windtunnel.workload.open_load import OpenLoad
from windtunnel.workload.user_pool import UserPool

LAST_REPORT: Final = "windtunnel-last-report"
"""The message with the rest of what a worker recorded, once it has stopped."""

LOCAL_MEMBER: Final = "local"
"""The name of the only process of a local test."""

SAMPLES_PER_S: Final = 50
"""How many requests of a process are recorded as samples every second."""

REPORT_TIMEOUT_S: Final = 2.0
"""For a last report, beyond the time that requests in flight are given."""

_POLL_S: Final = 0.01

log = logging.getLogger("windtunnel")


class RecordingSession:
    """Collects what this process sends, takes the reports of all members, or both.

    `window` and `monitor` are what the page shows of a test, until the next one begins; a worker
    fills neither.
    """

    def __init__(self) -> None:
        self.window = RollingWindow()
        self.monitor: Monitor | None = None
        self._reports: Queue[tuple[Report, str]] = Queue()
        self._collector: Collector | None = None
        self._run: LocustRun | None = None
        self._awaited: set[str] = set()

    def listen(self, environment: Environment) -> None:
        """Take part in the reports of workers to their master."""
        runner, self._environment = environment.runner, environment
        self._is_coordinator = not isinstance(runner, WorkerRunner)
        if self._is_coordinator:
            gevent.spawn(self._fill_window)
        if isinstance(runner, WorkerRunner):
            environment.events.report_to_master.add_listener(self._add_to_report)
        if isinstance(runner, MasterRunner):
            environment.events.worker_report.add_listener(self._on_worker_report)
            runner.register_message(LAST_REPORT, self._on_last)

    def collect(self, user_pool: UserPool, load: OpenLoad) -> None:
        """Begin to collect what this process sends."""
        if self._collector is not None:
            self._collector.end()
        user_pool.sampler = Sampler(SAMPLES_PER_S, user_pool.config.seed + user_pool.rank)
        self._collector = Collector(
            user_pool, load.take_stats, self._take if self._is_coordinator else None
        )

    def begin(self, run: LocustRun | None, url: str, members: Sequence[str]) -> None:
        """Begin to watch the servers behind `url`, and to write a run, if there is one.

        `members` are the processes that will report.
        """
        if self.monitor is not None:
            self.monitor.stop()
        self.monitor = Monitor(url)
        self.window.begin(members)
        self._run = run
        if run is not None:
            run.writer.surroundings = self.monitor.surroundings

    def send_last(self, runner: WorkerRunner) -> None:
        """Send the master the rest of what was recorded; this process has stopped."""
        if self._collector is not None:
            runner.send_message(LAST_REPORT, {FIELD: encode(self._collector.end())})
            self._collector = None

    def lose(self, member: str, parts: int, until: float | None = None) -> None:
        """Record that `member`, one of `parts`, ended before `until` (now) without a last report.

        Moments are those of `time.perf_counter()`.
        """
        if self._run is not None:
            self._run.writer.lose(member, parts, perf_counter() if until is None else until)

    def await_last(self, workers: Sequence[str], timeout: float) -> set[str]:
        """Wait for the last reports of workers, which are stopping, and return those without one.

        Requests in flight are given `timeout` seconds.
        """
        self._awaited = set(workers)
        deadline = perf_counter() + timeout + REPORT_TIMEOUT_S
        while self._awaited and perf_counter() < deadline:
            gevent.sleep(_POLL_S)
        return set(self._awaited)

    def close(self) -> None:
        """Finish the run, if there is one."""
        run, collector = self._run, self._collector
        self._collector = None
        if collector is not None:
            self._take(collector.end())
        self._run = None
        if self.monitor is not None:
            self.monitor.drain()
        try:
            if run is None:
                return
            run.finish()
        except ResultsError as error:
            log.error("%s: make room, or choose another folder (--results)", error)
            options = self._environment.parsed_options
            if options is not None and options.headless:
                self._environment.process_exit_code = ExitCode.SETUP
        else:
            log.info("recorded: windtunnel report %s", run.path)
        finally:
            if self.monitor is not None:
                self.monitor.stop()

    def _add_to_report(self, data: dict[str, Any], **_: Any) -> None:
        if self._collector is not None:
            data[FIELD] = encode(self._collector.fetch())

    def _on_worker_report(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        report = data.pop(FIELD, None)
        if report is not None:
            self._take(decode(report), client_id)

    def _on_last(self, msg: Any, **_: Any) -> None:
        self._take(decode(msg.data[FIELD]), msg.node_id)
        self._awaited.discard(msg.node_id)

    def _fill_window(self) -> None:
        for report, member in self._reports:
            self.window.take(report, member)

    def _take(self, report: Report, member: str = LOCAL_MEMBER) -> None:
        self._reports.put((report, member))
        if self.monitor is not None:
            self.monitor.generator_s += report.cpu_s
        if self._run is not None:
            self._run.writer.take(report, member)
