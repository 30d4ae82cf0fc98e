"""Deadlines of many requests at once, for the price of a dictionary entry each."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile
from time import perf_counter
from typing import Protocol

import gevent


class Expiring(Protocol):
    """What can be told that its time is over."""

    def expire(self) -> None:
        """Give up waiting."""


class Deadlines:
    """All requests with one and the same time-out, in the order in which they will expire.

    That order is the order of their start, so one timer watches the oldest alone. Most often that
    one has long ended when the timer fires, and the timer is set for its successor: about one
    timer event in `seconds`, however many requests there are.
    """

    __slots__ = ("_pending", "_timer", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._pending: dict[Expiring, float] = {}
        self._timer = gevent.get_hub().loop.timer(seconds, ref=False)

    @property
    def pending(self) -> Iterable[Expiring]:
        """Those whose time runs now."""
        return self._pending

    def start(self, waiter: Expiring) -> None:
        """Begin the time of `waiter`; its `expire` is called from the hub when it is over."""
        self._pending[waiter] = perf_counter() + self.seconds
        if not self._timer.active:
            self._arm(self.seconds)

    def stop(self, waiter: Expiring) -> None:
        """Forget `waiter`."""
        self._pending.pop(waiter, None)

    def _arm(self, seconds: float) -> None:
        self._timer.stop()
        self._timer.close()
        self._timer = gevent.get_hub().loop.timer(seconds, ref=False)
        self._timer.start(self._fire, update=True)

    def _fire(self) -> None:
        now = perf_counter()
        for waiter in self._due(now):
            self.stop(waiter)
            waiter.expire()
        if self._pending:
            self._arm(max(next(iter(self._pending.values())) - now, 0.0))

    def _due(self, now: float) -> list[Expiring]:
        return [waiter for waiter, _ in takewhile(lambda e: e[1] <= now, self._pending.items())]
