"""The model: a discrete-event simulation (simpy) of nginx before pools of Tornado processes.

Requests of several kinds come on schedule or at random; nginx picks a process of their pool, which
serves them in order; those that compute share the cores. What is left out: docs/method.md.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

from simpy import Environment
from simpy.events import Event, Timeout

from windtunnel.tuning.balancing import BALANCERS
from windtunnel.tuning.system_model import Pool, SystemModel, Work


class SharedCores:
    """`core_count` of cores, whole or not, evenly divided among all that compute."""

    def __init__(self, env: Environment, core_count: float) -> None:
        self._env = env
        self._number = core_count
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


class Computing(Protocol):
    """Cores, scarce or not."""

    def compute(self, seconds: float, done: Callable[[], None]) -> None:
        """Call `done` when so much work is done."""


@dataclass(slots=True)
class Job:
    """One request in flight; times in seconds. `leave` is called when it is answered."""

    work: Work
    arrived_at: float
    service: float
    beside: float
    leave: Callable[[], None]
    began: float = 0.0


class SimulatedProcess:
    """A queue, first come first served, with as many concurrency as it serves requests at once."""

    def __init__(self, env: Environment, cores: Computing, concurrency: int) -> None:
        self._env, self._cores, self._free = env, cores, concurrency
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


class BalancedPool:
    """The processes of a pool, behind a balancer that knows how many requests each has."""

    def __init__(
        self, env: Environment, cores: Computing, pool: Pool, source: random.Random
    ) -> None:
        self._processes = [SimulatedProcess(env, cores, pool.concurrency) for _ in pool.weights]
        self._balancer = BALANCERS[pool.balance](pool.weights, source)

    def take(self, job: Job) -> None:
        """Pass it on to the process whose turn it is."""
        process = self._balancer.pick()
        in_flight, leave = self._balancer.in_flight, job.leave
        in_flight[process] += 1

        def on_answer() -> None:
            in_flight[process] -= 1
            leave()

        job.leave = on_answer
        self._processes[process].take(job)


@dataclass(slots=True)
class WorkCounts:
    """What became of one kind of work, times in seconds.

    `arrived` counts what came within the window, `within` what of that was also answered within
    it; `responses` and `waits` are of all that came within it and was answered at all, in order of
    answering. `sent`, `answered` and `area` (the integral of how many were there) are of all times.
    """

    arrived: int = 0
    within: int = 0
    responses: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    sent: int = 0
    answered: int = 0
    area: float = 0.0
    time_in_system: float = 0.0


@dataclass(frozen=True, slots=True)
class _Window:
    begin: float
    end: float


class _Stream:
    """One kind of work, from the clock that sends it to what is counted of it."""

    def __init__(
        self,
        env: Environment,
        work: Work,
        pool: BalancedPool,
        source: random.Random,
        window: _Window,
    ) -> None:
        self._env, self._work, self._pool = env, work, pool
        self._source, self._window = source, window
        self._marked_at = 0.0
        self.counts = WorkCounts()

    def run(self) -> Generator[Event]:
        """Send until the window is over: a process of simpy's."""
        env, work, draw = self._env, self._work, self._source
        gap = 1 / work.rate
        yield Timeout(env, draw.expovariate(work.rate) if work.poisson else gap * draw.random())
        while env.now < self._window.end:
            self._send()
            yield Timeout(env, draw.expovariate(work.rate) if work.poisson else gap)

    def _send(self) -> None:
        work, now = self._work, self._env.now
        service, beside = work.service.draw(self._source), work.beside.draw(self._source)
        job = Job(work, now, service, beside, lambda: self._answered(job))
        self._mark(now)
        self.counts.sent += 1
        self.counts.arrived += now >= self._window.begin
        self._pool.take(job)

    def _answered(self, job: Job) -> None:
        now, window, counts = self._env.now, self._window, self.counts
        self._mark(now)
        counts.answered += 1
        counts.time_in_system += now - job.arrived_at
        if job.arrived_at >= window.begin:
            counts.responses.append(now - job.arrived_at + job.beside)
            counts.waits.append(job.began - job.arrived_at)
            counts.within += now + job.beside <= window.end

    def _mark(self, now: float) -> None:
        counts = self.counts
        counts.area += (counts.sent - counts.answered) * (now - self._marked_at)
        self._marked_at = now


def simulate(
    model: SystemModel, seed: object, *, warmup: float, duration: float, patience: float = 10.0
) -> dict[str, WorkCounts]:
    """Let `model` go on for a warm-up and a window, and return what each kind of work got.

    Nothing comes after the window's end; what came is given `patience` seconds to be answered. The
    same seed gives the same answer.
    """
    env, window = Environment(), _Window(warmup, warmup + duration)
    is_scarce = model.cores is not None and model.cores < model.concurrency
    cores: Computing = SharedCores(env, model.cores or 0.0) if is_scarce else UnlimitedCores(env)
    pools = {
        name: BalancedPool(env, cores, pool, random.Random(f"{seed}:pool:{name}"))
        for name, pool in model.pools.items()
    }
    streams = {
        work.name: _Stream(
            env, work, pools[model.routes[work.name]], random.Random(f"{seed}:{work.name}"), window
        )
        for work in model.works
        if work.rate > 0
    }
    for stream in streams.values():
        env.process(stream.run())
    env.run(window.end + patience)
    return {name: stream.counts for name, stream in streams.items()}
