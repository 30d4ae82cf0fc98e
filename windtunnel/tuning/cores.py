"""SharedCores that several processes share: more of them at work than cores, and each goes slower.

Processor sharing by a clock of its own: all at work advance at one speed, so each is done when
that clock has come to its start plus its demand, and only the next to be done is ever scheduled.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from simpy import Environment
from simpy.events import Event, Timeout


class SharedCores:
    """`number` of cores, whole or not, evenly divided among all that compute."""

    def __init__(self, env: Environment, number: float) -> None:
        self._env = env
        self._number = number
        self._work = 0.0
        self._seen = 0.0
        self._ends: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = count()
        self._next: Event | None = None

    def compute(self, seconds: float, done: Callable[[], None]) -> None:
        """Call `done` when `seconds` of a core's work are done."""
        self._advance()
        heappush(self._ends, (self._work + seconds, next(self._serial), done))
        self._schedule()

    @property
    def _speed(self) -> float:
        return min(1.0, self._number / len(self._ends))

    def _advance(self) -> None:
        now = self._env.now
        if self._ends:
            self._work += (now - self._seen) * self._speed
        self._seen = now

    def _schedule(self) -> None:
        if not self._ends:
            self._next = None
            return
        left = max(0.0, self._ends[0][0] - self._work)
        self._next = Timeout(self._env, left / self._speed)
        assert self._next.callbacks is not None
        self._next.callbacks.append(self._end)

    def _end(self, event: Event) -> None:
        if event is not self._next:
            return  # somebody came or went since: it was scheduled anew
        self._advance()
        end, _, done = heappop(self._ends)
        self._work = max(self._work, end)
        self._schedule()
        done()


class UnlimitedCores:
    """As many cores as there are processes: nobody waits for one."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    def compute(self, seconds: float, done: Callable[[], None]) -> None:
        """Call `done` in `seconds`."""
        after(self._env, seconds, done)


def after(env: Environment, seconds: float, done: Callable[[], None]) -> None:
    """Call `done` in `seconds`."""
    event = Timeout(env, seconds)
    assert event.callbacks is not None
    event.callbacks.append(lambda _: done())
