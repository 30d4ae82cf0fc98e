"""The two ways to put a crowd under way: closed users, and requests on schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any, Protocol

from gevent.pool import Group
from locust.env import Environment
from locust.event import Events

from windtunnel.errors import CellError
from windtunnel.workload.arrivals import Arrivals
from windtunnel.workload.open_load import OpenLoad, Rates, total
from windtunnel.workload.open_loop import ScheduleStats
from windtunnel.workload.user import StoreUser
from windtunnel.workload.user_pool import UserPool


class CellLoad(Protocol):
    """What works on a store until it is told to stop."""

    def run(self, seconds: float) -> None:
        """Let it work for `seconds`, or until it is over; raises CellError."""

    def begin(self, since: float, until: float) -> None:
        """Count from `since` on; what is intended for `until` or later is not sent."""

    def finish(self, timeout: float) -> float:
        """End what is counted, with the answers to it, and return when that was."""

    def stop(self, timeout: float) -> None:
        """End all, at most `timeout` seconds."""

    @property
    def sent(self) -> ScheduleStats | None:
        """What became of what was intended, where something was."""

    @property
    def sent_by_stream(self) -> Mapping[str, ScheduleStats]:
        """The same, by stream."""


class ClosedCellLoad:
    """Closed users, Locust's own `User`s, without a runner.

    Locust's runners ramp up and down in ticks of a second; here all start and stop at once. What
    is counted is what ended in time, as nothing is intended.
    """

    sent = None
    sent_by_stream: Mapping[str, ScheduleStats] = {}

    def __init__(self, user_class: type[StoreUser], crowd: UserPool, count: int) -> None:
        environment = Environment(user_classes=[user_class], events=Events())
        environment.events.user_error.add_listener(self._broken)
        self._error: BaseException | None = None
        self._over = crowd.depleted
        self._group = Group()
        self._users = [user_class(environment) for _ in range(count)]
        for user in self._users:
            user.start(self._group)

    def run(self, seconds: float) -> None:
        """Let the users work for `seconds`, or until it is over; raises CellError."""
        self._over.wait(seconds)
        if self._error is not None:
            raise CellError(f"a user broke down: {self._error!r}") from self._error

    def begin(self, since: float, until: float) -> None:
        """Nothing is intended."""

    def finish(self, timeout: float) -> float:  # noqa: ARG002
        """Return the time: what is under way does not count."""
        return perf_counter()

    def stop(self, timeout: float) -> None:
        """Let every user end its request, at most `timeout` seconds."""
        for user in self._users:
            user.stop()
        self._group.join(timeout)
        self._group.kill()

    def _broken(self, exception: BaseException, **_: Any) -> None:
        self._error = exception
        self._over.set()


class OpenCellLoad:
    """Requests on schedule; what is counted is what was intended in time, whenever it ended."""

    def __init__(
        self,
        user_classes: Sequence[type[StoreUser]],
        crowd: UserPool,
        rates: Rates,
        kind: Arrivals,
        bound: int,
    ) -> None:
        environment = Environment(user_classes=list(user_classes), events=Events())
        self._crowd = crowd
        self._load = OpenLoad(user_classes, environment, crowd, bound)
        self._until = 0.0
        self._load.run(rates, kind)

    @property
    def sent(self) -> ScheduleStats:
        """What became of what was intended."""
        return self._load.sent

    @property
    def sent_by_stream(self) -> dict[str, ScheduleStats]:
        """The same, by stream."""
        return {name: total(each.lanes.values()) for name, each in self._load.streams.items()}

    def run(self, seconds: float) -> None:
        """Let it send for `seconds`, or until it is over; raises CellError."""
        self._crowd.depleted.wait(seconds)
        if self._load.broken is not None:
            raise CellError(f"a user broke down: {self._load.broken!r}") from self._load.broken

    def begin(self, since: float, until: float) -> None:
        """Count from `since` on; what is intended for `until` or later is not sent."""
        self._crowd.since, self._until = since, until
        self._load.count_from(since)
        self._load.end(until)

    def finish(self, timeout: float) -> float:
        """Wait for the answers to what was intended, and return until when that was."""
        until = min(self._until, perf_counter())
        self._load.end(until)
        self._load.drain(timeout)
        return until

    def stop(self, timeout: float) -> None:  # noqa: ARG002
        """End all; what was counted has its answers."""
        self._load.close()
