"""The process that starts a test: it prepares the stores, controls the load, records the run."""

from __future__ import annotations

import inspect
import logging
from abc import abstractmethod
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import gevent
from locust.env import Environment
from locust.runners import STATE_SPAWNING, STATE_STOPPED, Runner

from windtunnel.errors import ExitCode
from windtunnel.live.admission import REFUSALS
from windtunnel.live.idle_stores import warn_of_idle_stores
from windtunnel.live.load_controller import LoadController
from windtunnel.live.load_profile import LoadProfile, rates, set_paused
from windtunnel.live.locust_run import LocustRun, open_run
from windtunnel.live.preparation import Preparation, prepare
from windtunnel.live.recording_session import RecordingSession
from windtunnel.live.role import Role
from windtunnel.live.split_control import access_log
from windtunnel.recording.results import ResultsError
from windtunnel.workload.user import StoreUser

log = logging.getLogger("windtunnel")


class Coordinator(Role):
    """Prepares, controls and records the tests of a scenario, alone or as the master of workers."""

    report_delay_s: ClassVar[int]
    """How long it takes until everything that was recorded in a second is here."""

    def __init__(
        self,
        user_classes: Sequence[type[StoreUser]],
        environment: Environment,
        recording: RecordingSession,
        runner: Runner,
        options: Namespace,
    ) -> None:
        super().__init__(user_classes, environment, recording)
        self._runner = runner
        self._options = options

    def start(self) -> None:
        """Recreate the populations, open the run and begin to control the load."""
        set_paused(self._options, False)
        self._runner.update_state(STATE_SPAWNING)  # or the web UI goes back to its form meanwhile
        try:
            preparation = prepare(self._options, self._runner.target_user_count)
        except REFUSALS as error:
            self._abandon(str(error))
        run = self._open_run(preparation)
        self._recording.begin(run, preparation.config.target, self._begin_members())
        if not rates(self._options):
            users, processes = self._runner.target_user_count, len(self._members())
            warn_of_idle_stores([store.id for store in preparation.stores], users, processes)
        self._assign(preparation)
        self.controller = LoadController(
            self._options, self._members, self._send_profile, self._recording.lose
        )

    def stop(self, timeout: float) -> None:
        """Send no more, give what is in flight its time, and finish the run."""
        if self.controller is not None:
            self.controller.stop()
        self._stop_members(timeout)
        self.controller = None
        self._recording.close()

    @abstractmethod
    def _begin_members(self) -> Sequence[str]:
        """Return the processes that send the load of a test that starts."""

    @abstractmethod
    def _members(self) -> Sequence[str]:
        """Return those of them that still take part."""

    @abstractmethod
    def _assign(self, preparation: Preparation) -> None:
        """Give every member its part of the records."""

    @abstractmethod
    def _send_profile(self, member: str, profile: LoadProfile) -> None:
        """Let a member send the load of a profile."""

    @abstractmethod
    def _stop_members(self, timeout: float) -> None:
        """Let all members end, and wait for their last reports."""

    def _open_run(self, preparation: Preparation) -> LocustRun | None:
        options = self._options
        if not options.results:
            return None
        try:
            return open_run(
                options,
                Path(inspect.getfile(self._user_classes[0])).stem,
                preparation.stores,
                lambda: self._runner.target_user_count,
                self.report_delay_s,
                access_log(preparation.config.target),
            )
        except ResultsError as error:
            if options.headless:
                line = f"{error}: choose another folder (--results), or none (--results '')"
                self._abandon(line)
            log.warning("not recorded: %s", error)
        return None

    def _abandon(self, reason: str) -> None:
        """Give a test up before it began; raises GreenletExit, which Locust takes quietly."""
        log.error(reason)
        self._runner.log_exception("local", reason, "")
        self._runner.update_state(STATE_STOPPED)
        if self._options.headless:
            self._environment.process_exit_code = ExitCode.SETUP
            gevent.spawn(self._runner.quit)
        raise gevent.GreenletExit
