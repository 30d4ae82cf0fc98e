"""Keeps one process of Locust's on course: closed users, or its share of an open rate."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import gevent
from locust.env import Environment

from bench.crowd import Crowd
from bench.open import OpenLoad
from bench.pausing import paused
from bench.schedule import Arrivals, Share
from bench.users import StoreUser

CHANGE_AT_MOST: Final = 3.0
"""Seconds that requests under way get when the load turns from open to closed, or back."""

_STEP: Final = 0.01


@dataclass(frozen=True, slots=True)
class Course:
    """What a process is to do: part `index` of `parts` of `rate` requests a second in all.

    Without a rate the load is closed. While `paused` nothing is sent, and nothing intended.
    """

    rate: float = 0.0
    arrivals: Arrivals = "constant"
    index: int = 0
    parts: int = 1
    paused: bool = False

    def __str__(self) -> str:
        if self.paused:
            return "paused: nothing is sent"
        if not self.rate:
            return "closed load: times are service times, from the actual send"
        how = f"open load, {self.rate:g} requests/s, {self.arrivals}"
        return f"{how}: times are response times, from the intended send"


def course(options: Namespace, index: int = 0, parts: int = 1) -> Course:
    """Return what the arguments of a test say."""
    arrivals: Arrivals = "poisson" if options.poisson else "constant"
    return Course(options.rate, arrivals, index, parts, paused(options))


class Pilot:
    """Follows one course after the other, until it is told to halt.

    `open_` says whether the first one is open, as users must not begin before it is there.
    """

    def __init__(
        self,
        user_class: type[StoreUser],
        environment: Environment,
        crowd: Crowd,
        bound: int,
        *,
        open_: bool,
    ) -> None:
        self.load = OpenLoad(user_class, environment, crowd, bound)
        self._crowd = crowd
        self._course = Course()
        if open_:
            crowd.closed.clear()

    def steer(self, course: Course) -> None:
        """Follow a course from now on; it takes a while to turn from closed to open or back."""
        if course == self._course:
            return
        self._course = course
        if course.paused:
            self._crowd.closed.clear()
            self.load.pause()
        elif course.rate:
            self._crowd.closed.clear()
            self._wait_for_users()
            self.load.run(course.rate, course.arrivals, Share(course.index, course.parts))
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
