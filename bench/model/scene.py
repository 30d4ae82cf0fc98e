"""What the model simulates: kinds of work, pools of processes, and the cores that they share.

All times in seconds, rates in requests a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.model.durations import NOTHING, Duration


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
    lanes: int = 1


@dataclass(frozen=True, slots=True)
class Scene:
    """All of it: `routes` is the pool of each kind of work; `cores` None are plenty."""

    works: Sequence[Work]
    pools: Mapping[str, Pool]
    routes: Mapping[str, str]
    cores: float | None = None

    @property
    def lanes(self) -> int:
        """How many requests can be served at once."""
        return sum(len(pool.weights) * pool.lanes for pool in self.pools.values())
