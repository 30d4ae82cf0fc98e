"""What a run was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

from windtunnel.runner.plan import LoadSpec
from windtunnel.workload.arrivals import Arrivals
from windtunnel.workload.slow import SlowLoad


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for on the command line. Times in seconds, rates in requests a second.

    With `rates` the load is open and `users` does not count; `slow` work comes beside it.
    `splits` are variants by name: what of the stack's split is changed for their cells. `against`
    is a second server, whose cells are interleaved with the first one's. With `precision` (a share
    of 1) rounds go on until every ratio to the best is known that well, or `max_time` is over.
    """

    scenario: str = "crud"
    stores: tuple[str, ...] = ()
    mixes: tuple[str, ...] = ("balanced",)
    users: tuple[int, ...] = (8,)
    rates: tuple[float, ...] = ()
    slow: tuple[SlowLoad, ...] = ()
    splits: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    arrivals: Arrivals = "constant"
    processes: tuple[int, ...] = (1,)
    rounds: int = 6
    duration: float = 2.0
    warmup: float = 0.5
    population: int = 1000
    seed: int = 1
    full: bool = False
    pin: bool = False
    sleep_ms: int = 100
    host: str | None = None
    against: str | None = None
    retry_stale: bool = False
    cookies: bool = False
    precision: float | None = None
    max_time: float = 1800.0
    slos: tuple[str, ...] = ()

    @property
    def loads(self) -> list[LoadSpec]:
        """Every mix with every number of users, or every rate, and of processes."""
        if self.rates:
            return [
                LoadSpec(m, None, p, r, s)
                for m, r, p, s in product(
                    self.mixes, self.rates, self.processes, self.slow or [None]
                )
            ]
        return [LoadSpec(m, u, p) for m, u, p in product(self.mixes, self.users, self.processes)]
