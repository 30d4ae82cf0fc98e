"""The model's stations: processes that are queues, and nginx before each pool of them."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from simpy import Environment

from bench.model.balancing import BALANCERS
from bench.model.scene import Pool, Work
from bench.model.shared import after


class Computing(Protocol):
    """Cores, scarce or not."""

    def compute(self, seconds: float, done: Callable[[], None]) -> None:
        """Call `done` when so much work is done."""


@dataclass(slots=True)
class Job:
    """One request under way; times in seconds. `leave` is called when it is answered."""

    work: Work
    came: float
    service: float
    beside: float
    leave: Callable[[], None]
    began: float = 0.0


class Process:
    """A queue, first come first served, with as many lanes as it serves requests at once."""

    def __init__(self, env: Environment, cores: Computing, lanes: int) -> None:
        self._env, self._cores, self._free = env, cores, lanes
        self._waiting: deque[Job] = deque()

    def take(self, job: Job) -> None:
        """Serve it now, or when its turn comes."""
        if self._free:
            self._free -= 1
            self._begin(job)
        else:
            self._waiting.append(job)

    def _begin(self, job: Job) -> None:
        job.began = self._env.now
        computing = job.service * job.work.cpu
        if computing:
            self._cores.compute(computing, lambda: self._computed(job))
        else:
            self._computed(job)

    def _computed(self, job: Job) -> None:
        rest = job.service * (1 - job.work.cpu)
        if not job.work.holds:
            self._next()
            after(self._env, rest, job.leave)
        elif rest:
            after(self._env, rest, lambda: self._done(job))
        else:
            self._done(job)

    def _done(self, job: Job) -> None:
        self._next()
        job.leave()

    def _next(self) -> None:
        if self._waiting:
            self._begin(self._waiting.popleft())
        else:
            self._free += 1


class Balanced:
    """The processes of a pool, behind a balancer that knows how many requests each has."""

    def __init__(
        self, env: Environment, cores: Computing, pool: Pool, source: random.Random
    ) -> None:
        self._processes = [Process(env, cores, pool.lanes) for _ in pool.weights]
        self._balancer = BALANCERS[pool.balance](pool.weights, source)

    def take(self, job: Job) -> None:
        """Pass it on to the process whose turn it is."""
        place = self._balancer.pick()
        under_way, leave = self._balancer.under_way, job.leave
        under_way[place] += 1

        def left() -> None:
            under_way[place] -= 1
            leave()

        job.leave = left
        self._processes[place].take(job)
