"""One cell: a store brought to its starting state, put under load, measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Annotated, Final

import gevent
import msgspec

from bench.asked.mixes import MIXES
from bench.asked.work import LONGEST_MS, SLOW, Kind, Work, blocking, described
from bench.cells.bystander import RATE, Bystanders
from bench.cells.window import Window
from bench.client import Client, Target
from bench.contract import Operation
from bench.load import population
from bench.load.crowd import Crowd, Terms
from bench.load.lane import Sent
from bench.load.loads import CellError, Load, Streams, Swarm
from bench.load.open import MOST_UNDER_WAY, Rates
from bench.load.schedule import Arrivals
from bench.load.users import StoreUser
from bench.measure import cpu
from bench.measure.sampler import Sampler
from bench.wire import descriptors
from bench.wire.deadlines import Deadlines

RESET_TIMEOUT: Final = 150.0
SETTLE_AT_MOST: Final = 1.0
"""Seconds that databases get to become idle after a reset."""

_SETTLE_STEP: Final = 0.02
_IDLE: Final = 0.1


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure. Times in seconds; `groups` are process ids, as in `bench.measure.cpu`.

    With a `rate` (requests a second) the load is open and `users` does not count; as many requests
    as `max_in_flight` says may be under way. Where a scenario has slow work, it comes at
    `slow_rate` beside that: sleeps of `sleep_ms`, or the summary of `slow_store`. `bystanders` are
    addresses of processes, each asked at `bystander_rate`, the one that is the target itself at
    `loaded_rate` if that is given. `folder` is where the series goes, the cell while it is under
    way, and `sample` requests of every second; `round`, `attempt`, `variant` and `processes` only
    name it.
    """

    scenario: str = "crud"
    store: str
    variant: str | None = None
    mix: str
    round: int = 1
    attempt: int = 1
    processes: int = 1
    users: int = 0
    rate: float | None = None
    arrivals: Arrivals = "constant"
    max_in_flight: int = MOST_UNDER_WAY
    slow_rate: float | None = None
    slow_work: Kind = Kind.SLEEP
    sleep_ms: Annotated[int, msgspec.Meta(ge=1, le=LONGEST_MS)] = 100
    slow_store: str | None = None
    seed: int = 1
    population: int = 1_000
    summary_size: int = 20_000
    target: str
    warmup: float
    duration: float
    timeout: float = 10.0
    retry_stale: bool = False
    cookies: bool = False
    bystanders: list[str] = []
    bystander_rate: float = RATE
    loaded_rate: float | None = None
    sample: int = 0
    folder: str | None = None
    groups: dict[str, list[int]] = {}

    def __post_init__(self) -> None:
        if self.rate is None and not self.users:
            raise ValueError("a cell needs users or a rate")
        if self.rate is not None and self.rate <= 0:
            raise ValueError("a rate is more than 0")
        if self.slow_rate is not None and self.slow_rate < 0:
            raise ValueError("a slow rate is 0 or more")

    @property
    def connections(self) -> int:
        """How many requests can be under way."""
        return self.max_in_flight if self.rate is not None else self.users

    @property
    def work(self) -> Work:
        """What slow work there is."""
        return Work(self.slow_work, self.sleep_ms)

    @property
    def summarised(self) -> str:
        """Whose summary slow work asks for: that of the same engine, blocking, unless told."""
        return self.slow_store or blocking(self.store)

    def rates(self, streams: Iterable[str]) -> Rates:
        """Return the rate of each stream; raises CellError where several have none."""
        found = {name: self.slow_rate if name == SLOW else self.rate for name in streams}
        lacking = [name for name, rate in found.items() if rate is None]
        if lacking:
            raise CellError(f"no rate is given for {', '.join(lacking)}: {self.scenario} needs one")
        return {name: rate for name, rate in found.items() if rate is not None}


def measure(
    order: Order, user_classes: Sequence[type[StoreUser]], tell: Callable[[str], None]
) -> dict[str, object]:
    """Measure a cell: `tell` hears "reset" and "measuring" when these begin.

    Raises CellError.
    """
    streams = [kind.stream for kind in user_classes]
    rates = order.rates(streams) if order.rate is not None or streams != [""] else {}
    tell("reset")
    if short := descriptors.allow(order.connections):
        raise CellError(short)
    crowd = assemble(order, rates)
    for kind in user_classes:
        kind.crowd = crowd
    if order.sample and order.folder is not None:
        crowd.sampler = Sampler(order.sample, order.seed)
    beside = _bystanders(order)
    load = begin(order, user_classes, crowd, rates)
    try:
        beside.run()
        load.run(order.warmup)
        tell("measuring")
        window = Window(crowd, load, beside, order.groups, _folder(order), facts(order))
        window.open(order.duration)
        measured = window.close(order.timeout)
    finally:
        beside.close()
        load.stop(order.timeout)
    measured["health"]["population"] = crowd.terms.population
    return {**facts(order), **measured, "streams": told(order, rates, load.sent_by_stream)}


def facts(order: Order) -> dict[str, object]:
    """Return what names a cell."""
    users = order.users if order.rate is None else None
    return {
        "store": order.store,
        "variant": order.variant,
        "mix": order.mix,
        "processes": order.processes,
        "round": order.round,
        "attempt": order.attempt,
        "users": users,
        "rate": order.rate,
        "slow_rate": order.slow_rate,
    }


def told(order: Order, rates: Rates, sent: Mapping[str, Sent]) -> dict[str, dict[str, object]]:
    """Return what a cell says of each of several streams: what it asked for, and how that went."""
    theirs = described(rates, order.mix, order.work, order.summarised)
    return {name: {**its, **sent[name].counts()} for name, its in theirs.items()}


def begin(
    order: Order, user_classes: Sequence[type[StoreUser]], crowd: Crowd, rates: Rates
) -> Load:
    """Put the load on."""
    if not rates:
        return Swarm(user_classes[0], crowd, order.users)
    return Streams(user_classes, crowd, rates, order.arrivals, order.max_in_flight)


def _bystanders(order: Order) -> Bystanders:
    rates = {} if order.loaded_rate is None else {order.target: order.loaded_rate}
    try:
        return Bystanders(order.bystanders, order.bystander_rate, order.timeout, rates)
    except (OSError, ValueError) as error:
        raise CellError(f"no bystander: {error}") from error


def _folder(order: Order) -> Path | None:
    return Path(order.folder) if order.folder is not None else None


def assemble(order: Order, rates: Rates) -> Crowd:
    """Bring the store to its starting state, and gather what its users need; raises CellError."""
    mix = MIXES.get(order.mix)
    if mix is None:
        raise CellError(f"there is no mix {order.mix!r}: choose one of {', '.join(MIXES)}")
    seconds = order.warmup + order.duration
    size = population.size_for(mix, order.population, order.connections, seconds)
    client = Client(_target(order.target), Deadlines(RESET_TIMEOUT))
    try:
        ids = population.recreate(client, order.store, order.seed, size)
        if Operation.SUMMARY in mix:
            population.seed_summary(client, order.store, order.summary_size)
        if rates.get(SLOW) and order.slow_work is Kind.SUMMARY:
            population.seed_summary(client, order.summarised, order.summary_size)
    except population.ResetError as error:
        raise CellError(str(error)) from error
    finally:
        client.close()
    settle(order.groups.get("database", []))
    terms = Terms(
        target=order.target,
        mix=order.mix,
        seed=order.seed,
        population=size,
        summary_size=order.summary_size,
        timeout=order.timeout,
        spread=min(0.1, order.warmup / 2),
        retry_stale=order.retry_stale,
        cookies=order.cookies,
        work=order.work,
        summarised={order.store: order.summarised},
    )
    free = {order.store: population.records(order.seed, size, ids)}
    return Crowd(terms, free, order.users or 1, round=order.round)


def _target(url: str) -> Target:
    try:
        return Target(url)
    except (OSError, ValueError) as error:
        raise CellError(f"no target: {error}") from error


def settle(database: list[int]) -> None:
    """Wait until the database's processes are idle, at most `SETTLE_AT_MOST` seconds."""
    pids = cpu.family(database, cpu.processes())
    until = perf_counter() + SETTLE_AT_MOST
    spent = sum(map(cpu.own_ns, pids))
    while pids and perf_counter() < until:
        gevent.sleep(_SETTLE_STEP)
        before, spent = spent, sum(map(cpu.own_ns, pids))
        if (spent - before) / 1e9 < _SETTLE_STEP * _IDLE:
            return
