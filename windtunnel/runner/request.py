"""What a run was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from windtunnel.analysis.grouping import is_reference
from windtunnel.analysis.keys import StoreKey
from windtunnel.analysis.metrics import RESPONSE
from windtunnel.analysis.slo import Slo, SloError, parse
from windtunnel.analysis.verdicts import why_unnamed
from windtunnel.analysis.wording import listed
from windtunnel.errors import UsageError
from windtunnel.runner.cell_plan import LoadSpec, NothingToMeasureError, Plan
from windtunnel.runner.scenario import Scenario
from windtunnel.runner.targets import ledgers
from windtunnel.workload.arrivals import Arrivals
from windtunnel.workload.mixes import MIXES
from windtunnel.workload.options import (
    COOKIES,
    MIX,
    POPULATION,
    RETRY_STALE,
    SEED,
    SLEEP_MS,
    USERS,
)  # fmt: skip
from windtunnel.workload.slow import SlowLoad

SLOW_PART: Final = "wsgi"
"""The scenario that compares servers of the slow part, and starts them."""

THROUGH_NGINX: Final = 3
"""Processes of a load that goes through nginx by default."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a run is to measure. Times in seconds, rates in requests a second.

    With `rates` the load is open, else closed, by default with 8 users; `slow` work comes beside
    rates.
    `splits` are variants by name: what of the stack's split is changed for their cells. `against`
    is a second server, whose cells are interleaved with the first one's. With `precision` (a share
    of 1) rounds go on until every ratio to the best is that precise, or `max_time` is over.
    """

    scenario: str = "crud"
    stores: tuple[str, ...] = ()
    mixes: tuple[str, ...] = (MIX.default,)
    users: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()
    slow: tuple[SlowLoad, ...] = ()
    splits: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    arrivals: Arrivals = "constant"
    processes: tuple[int, ...] = (1,)
    rounds: int = 6
    duration: float = 2.0
    warmup: float = 0.5
    population: int = POPULATION.default
    seed: int = SEED.default
    full: bool = False
    pin: bool = False
    sleep_ms: int = SLEEP_MS.default
    host: str | None = None
    against: str | None = None
    retry_stale: bool = RETRY_STALE.default
    cookies: bool = COOKIES.default
    precision: float | None = None
    max_time: float = 1800.0
    slos: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.users and not self.rates:
            object.__setattr__(self, "users", (USERS.default,))

    def check(self) -> None:
        """Raise UsageError for what does not go together, SloError for what cannot be judged."""
        for is_wrong, message in self._rules(Scenario.read(self.scenario)):
            if is_wrong:
                raise UsageError(message)
        for slo in map(parse, self.slos):
            if reason := self._why_not_judged(slo):
                raise SloError(f"--slo {str(slo)!r}: {reason}")

    def _rules(self, scenario: Scenario) -> Iterator[tuple[bool, str]]:
        """Yield whether each rule is broken, and what to say then."""
        name, is_moved = self.scenario, self.processes != (THROUGH_NGINX,)
        yield (
            bool(self.splits and (self.host or self.against or is_moved)),
            "--split sets the processes itself: leave out --processes, --host and --against",
        )
        yield (
            bool(scenario.stream_rates and self.users),
            f"{name} is open load: give rates instead of --users",
        )
        yield (
            bool(self.slow and not scenario.stream_rates),
            f"--slow-rate: {name} has no slow work besides its mix",
        )
        yield (
            bool(self.rates and self.users),
            "--rate is open load and --users is closed load: give one of them",
        )
        yield (
            self.arrivals == "poisson" and not self.rates,
            "--poisson applies to open load: give a --rate",
        )
        yield (
            bool(self.host and self.processes != (1,)),
            "--processes applies to servers that this command starts: leave it out with --host",
        )
        yield (
            name == SLOW_PART and self.processes != (1,),
            "wsgi compares servers by one process of each: leave out --processes",
        )
        yield self.full and bool(self.stores), "--full takes every store: leave out --stores"

    def _why_not_judged(self, slo: Slo) -> str | None:
        if slo.latency == RESPONSE and not self.rates:
            return "closed load has no response time: give a --rate"
        if slo.measure == "regression" and not (self.against or len(self.splits) == 2):
            return "a regression takes two variants: give --against URL, or --split twice"
        if slo.operation is not None and slo.operation not in self.operations:
            mixes = ", ".join(self.mixes)
            return (
                f"no request of this run is a {slo.operation} (--mix {mixes}): "
                f"give a --mix that has it, as --mix {slo.operation}"
            )
        return None

    @property
    def operations(self) -> set[str]:
        """The names of the operations that are sent."""
        names = {str(operation) for mix in self.mixes for operation in MIXES[mix]}
        return names | {slow.work.kind.value for slow in self.slow}

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


def check_slos(slos: Sequence[str], plan: Plan) -> None:
    """Raise SloError for an SLO that applies to no store of a plan.

    Raises NothingToMeasureError where it would, were that store up.
    """
    stores = [store.id for store in plan.stores]
    by_key = {StoreKey(store): ledger for store, ledger in ledgers(plan.stores).items()}
    for slo in map(parse, slos):
        keys = (
            StoreKey(store.id, variant.name)
            for variant, store in product(plan.variants, plan.stores)
            if variant.takes(store)
        )
        if not any(map(slo.applies_to, keys)):
            for skipped, reason in plan.skipped.items():
                if slo.applies_to(StoreKey(skipped)):
                    raise NothingToMeasureError(f"--slo {slo}: {skipped}: {reason}")
            raise SloError(f"--slo {slo}: no store of this run matches: {listed(stores)}")
        if slo.glob is None and all(is_reference(key, by_key) for key in by_key):
            raise SloError(f"--slo {slo}: {why_unnamed(StoreKey(stores[0]))}")
