"""The role of a process in a test: what it does as the test starts and stops."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

import msgspec
from locust.env import Environment

from windtunnel.live.load_controller import LoadController
from windtunnel.live.load_executor import LoadExecutor
from windtunnel.live.preparation import Part
from windtunnel.live.recording_session import RecordingSession
from windtunnel.workload.user import StoreUser
from windtunnel.workload.user_pool import UserConfig, UserPool

ASSIGNMENT: Final = "windtunnel-assignment"
"""To a worker, ahead of the order to spawn users: a `WorkerAssignment`."""

LOAD: Final = "windtunnel-load"
"""To a worker: the `LoadProfile` to send from now on."""

STOP: Final = "windtunnel-stop"
"""To a worker: a `StopOrder`."""


class WorkerAssignment(msgspec.Struct, frozen=True):
    """A worker's part of a test: its records by store, its share of users and of requests.

    `rank` is its number among the workers; `is_open` says whether the load begins as open load.
    """

    config: UserConfig
    parts: dict[str, Part]
    users: int
    rank: int
    max_in_flight: int
    is_open: bool


class StopOrder(msgspec.Struct, frozen=True):
    """Send no more, and wait for answers at most `timeout` seconds."""

    timeout: float


class Role(ABC):
    """One of `LocalRole`, `MasterRole` and `WorkerRole`, chosen once per process."""

    controller: LoadController | None = None
    """Of the test that runs, in the process that controls its load."""

    interrupt_delay_s = 0.0
    """How long Ctrl-C is put off."""

    def __init__(
        self,
        user_classes: Sequence[type[StoreUser]],
        environment: Environment,
        recording: RecordingSession,
    ) -> None:
        self._user_classes = user_classes
        self._environment = environment
        self._recording = recording
        self._executor: LoadExecutor | None = None

    @abstractmethod
    def start(self) -> None:
        """Take part in a test that starts."""

    @abstractmethod
    def stop(self, timeout: float) -> None:
        """Send no more; requests in flight get `timeout` seconds."""

    def _begin(self, user_pool: UserPool, max_in_flight: int, *, is_open: bool) -> LoadExecutor:
        """Make this process ready to send, and record what it sends."""
        for user_class in self._user_classes:
            user_class.user_pool = user_pool
        executor = self._executor = LoadExecutor(
            self._user_classes, self._environment, user_pool, max_in_flight, is_open=is_open
        )
        self._recording.collect(user_pool, executor.load)
        return executor

    def _stop_executor(self, timeout: float) -> None:
        if self._executor is not None:
            executor, self._executor = self._executor, None
            executor.stop(timeout)
