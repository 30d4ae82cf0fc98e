"""A worker: sends its share of the load, as its master says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from gevent.event import Event
from locust.env import Environment
from locust.runners import WorkerRunner

from windtunnel.live.load_profile import LoadProfile
from windtunnel.live.preparation import make_user_pool
from windtunnel.live.recording_session import RecordingSession
from windtunnel.live.role import ASSIGNMENT, LOAD, STOP, Role, StopOrder, WorkerAssignment
from windtunnel.workload.user import StoreUser

SPAWN_TIMEOUT_S: Final = 10.0


class WorkerRole(Role):
    """Follows the messages of its master."""

    interrupt_delay_s = 3.0
    """A master that was interrupted too tells its workers to end meanwhile."""

    def __init__(
        self,
        user_classes: Sequence[type[StoreUser]],
        environment: Environment,
        recording: RecordingSession,
        runner: WorkerRunner,
    ) -> None:
        super().__init__(user_classes, environment, recording)
        self._runner = runner
        self._spawning = Event()
        runner.register_message(ASSIGNMENT, self._on_assignment)
        runner.register_message(LOAD, self._on_load, concurrent=True)
        runner.register_message(STOP, self._on_stop, concurrent=True)

    def start(self) -> None:
        """Take note that users are spawned: the load profile was waiting for it."""
        self._spawning.set()

    def stop(self, timeout: float) -> None:
        """Send no more, and close the recording."""
        self._stop_executor(timeout)
        self._recording.close()

    def _on_assignment(self, environment: Environment, msg: Any, **_: Any) -> None:  # noqa: ARG002
        assignment = msgspec.convert(msg.data, WorkerAssignment)
        user_pool = make_user_pool(
            assignment.config, assignment.parts, assignment.users, assignment.rank
        )
        self._spawning.clear()
        self._begin(user_pool, assignment.max_in_flight, is_open=assignment.is_open)

    def _on_load(self, environment: Environment, msg: Any, **_: Any) -> None:  # noqa: ARG002
        self._spawning.wait(SPAWN_TIMEOUT_S)  # Locust clears its statistics then
        if self._executor is not None:
            self._executor.apply(msgspec.convert(msg.data, LoadProfile))

    def _on_stop(self, environment: Environment, msg: Any, **_: Any) -> None:  # noqa: ARG002
        self._stop_executor(msgspec.convert(msg.data, StopOrder).timeout)
        self._recording.send_last(self._runner)
