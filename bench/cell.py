"""One cell: a store brought to its starting state, put under load, measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Final

import gevent
import msgspec

from bench import cpu, descriptors, population
from bench.bystander import RATE, Bystanders
from bench.client import Client, Target
from bench.contract import Operation
from bench.crowd import Crowd, Terms
from bench.deadlines import Deadlines
from bench.loads import CellError, Load, Streams, Swarm
from bench.mixes import MIXES
from bench.open import MOST_UNDER_WAY
from bench.sampler import Sampler
from bench.schedule import Arrivals
from bench.users import StoreUser
from bench.window import Window

RESET_TIMEOUT: Final = 150.0
SETTLE_AT_MOST: Final = 1.0
"""Seconds that databases get to become idle after a reset."""

_SETTLE_STEP: Final = 0.02
_IDLE: Final = 0.1


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure. Times in seconds; `groups` are process ids, as in `bench.cpu`.

    With a `rate` (requests a second) the load is open and `users` does not count; as many requests
    as `max_in_flight` says may be under way. `bystanders` are addresses of processes. `folder` is
    where the series goes, the cell while it is under way, and `sample` requests of every second;
    `round` and `variant` only name it.
    """

    scenario: str = "crud"
    store: str
    variant: str | None = None
    mix: str
    round: int = 1
    users: int = 0
    rate: float | None = None
    arrivals: Arrivals = "constant"
    max_in_flight: int = MOST_UNDER_WAY
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
    sample: int = 0
    folder: str | None = None
    groups: dict[str, list[int]] = {}

    def __post_init__(self) -> None:
        if self.rate is None and not self.users:
            raise ValueError("a cell needs users or a rate")
        if self.rate is not None and self.rate <= 0:
            raise ValueError("a rate is more than 0")

    @property
    def connections(self) -> int:
        """How many requests can be under way."""
        return self.max_in_flight if self.rate is not None else self.users


def measure(
    order: Order, user_class: type[StoreUser], tell: Callable[[str], None]
) -> dict[str, object]:
    """Measure a cell: `tell` hears "reset" and "measuring" when these begin.

    Raises CellError.
    """
    tell("reset")
    if short := descriptors.allow(order.connections):
        raise CellError(short)
    crowd = assemble(order)
    user_class.crowd = crowd
    if order.sample and order.folder is not None:
        crowd.sampler = Sampler(order.sample, order.seed)
    beside = _bystanders(order)
    load = begin(order, user_class, crowd)
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
    return {**facts(order), **measured}


def facts(order: Order) -> dict[str, object]:
    """Return what names a cell."""
    users = order.users if order.rate is None else None
    return {
        "store": order.store,
        "variant": order.variant,
        "mix": order.mix,
        "round": order.round,
        "users": users,
        "rate": order.rate,
    }


def begin(order: Order, user_class: type[StoreUser], crowd: Crowd) -> Load:
    """Put the load on."""
    if order.rate is None:
        return Swarm(user_class, crowd, order.users)
    return Streams(user_class, crowd, order.rate, order.arrivals, order.max_in_flight)


def _bystanders(order: Order) -> Bystanders:
    try:
        return Bystanders(order.bystanders, order.bystander_rate, order.timeout)
    except (OSError, ValueError) as error:
        raise CellError(f"no bystander: {error}") from error


def _folder(order: Order) -> Path | None:
    return Path(order.folder) if order.folder is not None else None


def assemble(order: Order) -> Crowd:
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
    )
    return Crowd(terms, {order.store: population.records(order.seed, size, ids)}, order.users or 1)


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
