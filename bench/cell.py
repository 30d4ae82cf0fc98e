"""One cell: a store brought to its starting state, loaded by closed users, measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import Any, Final

import gevent
import msgspec
from gevent.event import Event
from gevent.pool import Group
from locust.env import Environment
from locust.event import Events

from bench import cpu, population
from bench.answer import OK
from bench.client import Client, Target
from bench.contract import Operation
from bench.crowd import Crowd, Terms
from bench.deadlines import Deadlines
from bench.health import Health, flags
from bench.mixes import MIXES
from bench.recorder import Counts, Key, summarise
from bench.users import ClosedUser

RESET_TIMEOUT: Final = 150.0
SETTLE_AT_MOST: Final = 1.0
"""Seconds that databases get to become idle after a reset."""

_SETTLE_STEP: Final = 0.02
_IDLE: Final = 0.1


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure. Times in seconds; `groups` are process ids, as in `bench.cpu`."""

    scenario: str = "crud"
    store: str
    mix: str
    users: int
    seed: int = 1
    population: int = 1_000
    summary_size: int = 20_000
    target: str
    warmup: float
    duration: float
    timeout: float = 10.0
    groups: dict[str, list[int]] = {}


class CellError(Exception):
    """A cell that could not be measured; the message is one line."""


@dataclass(slots=True)
class Window:
    """What was seen between two moments; requests count if they ended between them.

    CPU is read at both edges: before the first, and right after the last, when the few requests
    still under way end.
    """

    crowd: Crowd
    groups: cpu.Groups
    before: dict[str, int | None] = field(init=False)
    health: Health = field(init=False)
    own: float = field(init=False)
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.before = cpu.read(self.groups)
        self.health = Health()
        self.own = process_time()
        self.crowd.recorder.take()
        self.began = perf_counter()

    def close(self) -> dict[str, Any]:
        """Return the measured part of a line of `cells.jsonl`."""
        seconds = perf_counter() - self.began
        counted = self.crowd.recorder.take()
        generator = round(process_time() - self.own, 6)
        spent = cpu.seconds(self.before, cpu.read(self.groups))
        health = self.health.stop()
        right = sum(sum(counts.values()) for key, counts in counted.items() if key.outcome == OK)
        return {
            "seconds": round(seconds, 6),
            "throughput_rps": round(right / seconds, 3),
            "operations": [operation(key, counts) for key, counts in sorted(counted.items())],
            "cpu_s": {"generator": generator, **dict.fromkeys(self.groups), **spent},
            "health": health,
            "flags": [*flags(health), *self._flags(spent)],
            "void": None,
        }

    def _flags(self, spent: Mapping[str, float]) -> list[str]:
        found = [f"a process of the {name} ended" for name in self.groups if name not in spent]
        if self.crowd.depleted.is_set():
            found.append("ended early: a user had no record left to delete")
        return found


def operation(key: Key, counts: Counts) -> dict[str, Any]:
    """Return one entry of a cell's `operations`."""
    return {
        "operation": key.operation,
        "pool": key.pool,
        "outcome": key.outcome,
        "count": sum(counts.values()),
        "service_us": summarise(counts),
    }


def measure(
    order: Order, user_class: type[ClosedUser], tell: Callable[[str], None]
) -> dict[str, Any]:
    """Measure a cell: `tell` hears "reset" and "measuring" when these begin.

    Raises CellError.
    """
    tell("reset")
    crowd = assemble(order)
    user_class.crowd = crowd
    users = Swarm(user_class, order.users, crowd.depleted)
    try:
        users.run(order.warmup)
        tell("measuring")
        window = Window(crowd, order.groups)
        users.run(order.duration)
        measured = window.close()
    finally:
        users.stop(order.timeout)
    measured["health"]["population"] = crowd.terms.population
    return {"store": order.store, "mix": order.mix, "users": order.users, **measured}


def assemble(order: Order) -> Crowd:
    """Bring the store to its starting state, and gather what its users need; raises CellError."""
    mix = MIXES.get(order.mix)
    if mix is None:
        raise CellError(f"there is no mix {order.mix!r}: choose one of {', '.join(MIXES)}")
    seconds = order.warmup + order.duration
    size = population.size_for(mix, order.population, order.users, seconds)
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
    )
    return Crowd(terms, {order.store: population.records(order.seed, size, ids)}, order.users)


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


class Swarm:
    """The users of a cell, as Locust's own `User`s, without a runner.

    Locust's runners ramp up and down in ticks of a second; here all start and stop at once.
    """

    def __init__(self, user_class: type[ClosedUser], count: int, over: Event) -> None:
        environment = Environment(user_classes=[user_class], events=Events())
        environment.events.user_error.add_listener(self._broken)
        self._error: BaseException | None = None
        self._over = over
        self._group = Group()
        self._users = [user_class(environment) for _ in range(count)]
        for user in self._users:
            user.start(self._group)

    def run(self, seconds: float) -> None:
        """Let the users work for `seconds`, or until it is over; raises CellError."""
        self._over.wait(seconds)
        if self._error is not None:
            raise CellError(f"a user broke down: {self._error!r}") from self._error

    def stop(self, timeout: float) -> None:
        """Let every user end its request, at most `timeout` seconds."""
        for user in self._users:
            user.stop()
        self._group.join(timeout)
        self._group.kill()

    def _broken(self, exception: BaseException, **_: Any) -> None:
        self._error = exception
        self._over.set()
