"""Keeps one process of Locust's on course: closed users, or its share of an open rate."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Final

import gevent
from locust.env import Environment

from windtunnel.live.load_profile import LoadProfile
from windtunnel.workload.arrivals import Share
from windtunnel.workload.open_load import OpenLoad
from windtunnel.workload.user import StoreUser
from windtunnel.workload.user_pool import UserPool

CHANGE_AT_MOST: Final = 3.0
"""Seconds that requests under way get when the load turns from open to closed, or back."""

_STEP: Final = 0.01


class LoadExecutor:
    """Follows one course after the other, until it is told to halt.

    `open_` says whether the first one is open, as users must not begin before it is there.
    """

    def __init__(
        self,
        user_classes: Sequence[type[StoreUser]],
        environment: Environment,
        crowd: UserPool,
        bound: int,
        *,
        open_: bool,
    ) -> None:
        self.load = OpenLoad(user_classes, environment, crowd, bound)
        self._crowd = crowd
        self._course = LoadProfile()
        if open_:
            crowd.closed.clear()

    def steer(self, course: LoadProfile) -> None:
        """Follow a course from now on; it takes a while to turn from closed to open or back."""
        if course == self._course:
            return
        self._course = course
        if course.paused:
            self._crowd.closed.clear()
            self.load.pause()
        elif course.rates:
            self._crowd.closed.clear()
            self._wait_for_users()
            self.load.run(course.rates, course.arrivals, Share(course.index, course.parts))
        else:
            self.load.pause()
            self.load.drain(CHANGE_AT_MOST)
            self.load.settle()
            self._crowd.closed.set()

    def halt(self, timeout: float) -> None:
        """Send no more, and wait for the answers."""
        self.load.end(perf_counter())
        self.load.drain(timeout)
        self.load.close()

    def _wait_for_users(self) -> None:
        until = perf_counter() + CHANGE_AT_MOST
        while self._crowd.inhabited and perf_counter() < until:
            gevent.sleep(_STEP)
