"""What the model simulates: kinds of work, pools of processes, and the cores that they share.

All times in seconds, rates in requests a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from windtunnel.recording.tuning_results import WorkProfile
from windtunnel.tuning.distributions import NOTHING, Constant, Duration, Measured


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of request: `rate` a second, at random (`poisson`) or evenly spaced.

    `cpu` is the share of its service that computes. Where it does not `hold`, as an async handler
    that awaits, the rest goes by beside the loop. `beside` is spent outside of the process (the
    generator, nginx, the way), and delays nobody else.
    """

    name: str
    rate: float
    service: Duration
    poisson: bool = False
    cpu: float = 1.0
    holds: bool = True
    beside: Duration = NOTHING


@dataclass(frozen=True, slots=True)
class Pool:
    """Processes by their weights, how requests are spread, how many each serves at once."""

    weights: tuple[int, ...]
    balance: str = "round_robin"
    concurrency: int = 1


@dataclass(frozen=True, slots=True)
class SystemModel:
    """All of it: `routes` is the pool of each kind of work; `cores` None are plenty."""

    works: Sequence[Work]
    pools: Mapping[str, Pool]
    routes: Mapping[str, str]
    cores: float | None = None

    @property
    def concurrency(self) -> int:
        """How many requests can be served at once."""
        return sum(len(pool.weights) * pool.concurrency for pool in self.pools.values())


@dataclass(frozen=True, slots=True)
class Traffic:
    """Fast and slow work, and the cores left to them; None are plenty."""

    fast: Work
    slow: Work
    cores: float | None = None

    @property
    def computing(self) -> float:
        """Cores that are busy with it on average."""
        return sum(w.rate * w.service.mean * w.cpu for w in (self.fast, self.slow))

    def at(self, fast: float, slow: float) -> Traffic:
        """The same work at other rates."""
        return replace(self, fast=replace(self.fast, rate=fast), slow=replace(self.slow, rate=slow))


def offered_load(work: Work) -> float:
    """How many processes it keeps busy on average: its load in Erlang."""
    share = 1.0 if work.holds else work.cpu
    return work.rate * work.service.mean * share


def work(
    name: str,
    rate: float,
    service: Duration,
    *,
    poisson: bool,
    cpu: float = 1.0,
    beside: Duration = NOTHING,
) -> Work:
    """Work that holds its process for as long as it takes, as what blocks does."""
    return Work(name, rate, service, poisson=poisson, cpu=cpu, beside=beside)


def work_of(kind: WorkProfile, name: str) -> Work:
    """Return a kind of work as the model takes it, from what a tuner measured of it."""
    return Work(
        name,
        kind.rate,
        _duration(kind.service_us),
        poisson=kind.poisson,
        cpu=kind.cpu,
        holds=kind.holds,
        beside=_duration(kind.beside_us),
    )


def _duration(samples_us: Sequence[float]) -> Duration:
    seconds = tuple(value / 1e6 for value in samples_us) or (0.0,)
    return Constant(seconds[0]) if len(seconds) == 1 else Measured(seconds)
