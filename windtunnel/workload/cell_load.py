"""The load of one cell, without a Locust runner: closed users, or requests on schedule."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any, Protocol

from gevent.pool import Group
from locust.env import Environment
from locust.event import Events

from windtunnel.errors import CellError
from windtunnel.workload.arrivals import Arrivals
from windtunnel.workload.open_load import OpenLoad, Rates
from windtunnel.workload.open_loop import StreamStats
from windtunnel.workload.user import StoreUser
from windtunnel.workload.user_pool import UserPool

Moment = float
"""A moment of `time.perf_counter`, in seconds."""


class CellLoad(Protocol):
    """Loads a store from when it is made until it is stopped."""

    def wait(self, timeout_s: float) -> None:
        """Wait `timeout_s` seconds, or until the records are depleted; raises CellError."""

    def set_window(self, since: Moment, until: Moment) -> None:
        """Count from `since` on; what is scheduled for `until` or later is not sent."""

    def end_window(self, timeout: float) -> Moment:
        """Wait for the responses that count; return the end of the window, of `perf_counter`."""

    def stop(self, timeout: float) -> None:
        """Stop sending, within `timeout` seconds."""

    def take_stats(self) -> StreamStats:
        """Return the counts since the last call, by store and stream; none without a schedule."""


class ClosedCellLoad:
    """Closed users: Locust's own `User`s, without a runner.

    Locust's runners ramp up and down in ticks of a second; here all start and stop at once. With
    no schedule, what counts is what ended within the window.
    """

    def __init__(self, user_class: type[StoreUser], user_pool: UserPool, count: int) -> None:
        environment = Environment(user_classes=[user_class], events=Events())
        environment.events.user_error.add_listener(self._fail)
        self._error: BaseException | None = None
        self._over = user_pool.depleted
        self._group = Group()
        self._users = [user_class(environment) for _ in range(count)]
        for user in self._users:
            user.start(self._group)

    def wait(self, timeout_s: float) -> None:
        """Wait `timeout_s` seconds, or until the records are depleted; raises CellError."""
        self._over.wait(timeout_s)
        if self._error is not None:
            raise CellError(f"a user broke down: {self._error!r}") from self._error

    def take_stats(self) -> StreamStats:
        """Return nothing: there is no schedule."""
        return {}

    def set_window(self, since: Moment, until: Moment) -> None:
        """Do nothing: there is no schedule to count."""

    def end_window(self, timeout: float) -> Moment:  # noqa: ARG002
        """Return the time, of `perf_counter`: requests in flight do not count."""
        return perf_counter()

    def stop(self, timeout: float) -> None:
        """Let every user finish its request, within `timeout` seconds."""
        for user in self._users:
            user.stop()
        self._group.join(timeout)
        self._group.kill()

    def _fail(self, exception: BaseException, **_: Any) -> None:
        self._error = exception
        self._over.set()


class OpenCellLoad:
    """Requests on schedule: what counts is what was scheduled in the window, whenever it ended."""

    def __init__(
        self,
        user_classes: Sequence[type[StoreUser]],
        user_pool: UserPool,
        rates: Rates,
        kind: Arrivals,
        max_in_flight: int,
    ) -> None:
        environment = Environment(user_classes=list(user_classes), events=Events())
        self._user_pool = user_pool
        self._load = OpenLoad(user_classes, environment, user_pool, max_in_flight)
        self._until = 0.0
        self._load.run(rates, kind)

    def take_stats(self) -> StreamStats:
        """Return the counts since the last call, by store and stream."""
        return self._load.take_stats()

    def wait(self, timeout_s: float) -> None:
        """Wait `timeout_s` seconds, or until the records are depleted; raises CellError."""
        self._user_pool.depleted.wait(timeout_s)
        if self._load.error is not None:
            raise CellError(f"a user broke down: {self._load.error!r}") from self._load.error

    def set_window(self, since: Moment, until: Moment) -> None:
        """Count from `since` on; what is scheduled for `until` or later is not sent."""
        self._user_pool.since, self._until = since, until
        self._load.count_from(since)
        self._load.end(until)

    def end_window(self, timeout: float) -> Moment:
        """Wait for the responses to what was scheduled, and return the end of the window."""
        until = min(self._until, perf_counter())
        self._load.end(until)
        self._load.drain(timeout)
        return until

    def stop(self, timeout: float) -> None:  # noqa: ARG002
        """Stop at once: what counts has its responses."""
        self._load.close()
