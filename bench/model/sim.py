"""The model: a discrete-event simulation (simpy) of nginx before pools of Tornado processes.

Requests of several kinds come on schedule or at random; nginx picks a process of their pool, which
serves them in order; those that compute share the cores. What is left out: docs/method.md.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from dataclasses import dataclass, field

from simpy import Environment
from simpy.events import Event, Timeout

from bench.model.scene import Scene, Work
from bench.model.shared import Cores, Plenty
from bench.model.stations import Balanced, Computing, Job


@dataclass(slots=True)
class Seen:
    """What became of one kind of work, times in seconds.

    `arrived` counts what came within the window, `within` what of that was also answered within
    it; `responses` and `waits` are of all that came within it and was answered at all, in order of
    answering. `sent`, `gone` and `area` (the integral of how many were there) are of all times.
    """

    arrived: int = 0
    within: int = 0
    responses: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    sent: int = 0
    gone: int = 0
    area: float = 0.0
    stayed: float = 0.0


@dataclass(frozen=True, slots=True)
class _Window:
    begin: float
    end: float


class _Stream:
    """One kind of work, from the clock that sends it to what is counted of it."""

    def __init__(
        self, env: Environment, work: Work, pool: Balanced, source: random.Random, window: _Window
    ) -> None:
        self._env, self._work, self._pool = env, work, pool
        self._source, self._window = source, window
        self._changed = 0.0
        self.seen = Seen()

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
        job = Job(work, now, service, beside, lambda: self._left(job))
        self._mark(now)
        self.seen.sent += 1
        self.seen.arrived += now >= self._window.begin
        self._pool.take(job)

    def _left(self, job: Job) -> None:
        now, window, seen = self._env.now, self._window, self.seen
        self._mark(now)
        seen.gone += 1
        seen.stayed += now - job.came
        if job.came >= window.begin:
            seen.responses.append(now - job.came + job.beside)
            seen.waits.append(job.began - job.came)
            seen.within += now + job.beside <= window.end

    def _mark(self, now: float) -> None:
        seen = self.seen
        seen.area += (seen.sent - seen.gone) * (now - self._changed)
        self._changed = now


def simulate(
    scene: Scene, seed: object, *, warmup: float, duration: float, patience: float = 10.0
) -> dict[str, Seen]:
    """Let `scene` go on for a warm-up and a window, and return what each kind of work got.

    Nothing comes after the window's end; what came is given `patience` seconds to be answered. The
    same seed gives the same answer.
    """
    env, window = Environment(), _Window(warmup, warmup + duration)
    scarce = scene.cores is not None and scene.cores < scene.lanes
    cores: Computing = Cores(env, scene.cores or 0.0) if scarce else Plenty(env)
    pools = {
        name: Balanced(env, cores, pool, random.Random(f"{seed}:pool:{name}"))
        for name, pool in scene.pools.items()
    }
    streams = {
        work.name: _Stream(
            env, work, pools[scene.routes[work.name]], random.Random(f"{seed}:{work.name}"), window
        )
        for work in scene.works
        if work.rate > 0
    }
    for stream in streams.values():
        env.process(stream.run())
    env.run(window.end + patience)
    return {name: stream.seen for name, stream in streams.items()}
