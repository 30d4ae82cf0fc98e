"""One cell: a store brought to its starting state, put under load, measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

import gevent
import msgspec

from windtunnel.client import descriptors
from windtunnel.client.address import Address
from windtunnel.client.api import Operation
from windtunnel.client.client import Client
from windtunnel.client.timers import Deadlines
from windtunnel.errors import CellError
from windtunnel.recording import cpu, limits
from windtunnel.recording.health import HealthMonitor
from windtunnel.recording.recorder import Histograms
from windtunnel.recording.results import Cell
from windtunnel.recording.sampler import Sampler
from windtunnel.runner.bystander import Bystanders
from windtunnel.runner.collector import Recording, counts, measured, schedule
from windtunnel.runner.order import CellOrder, Event, Measuring, Reset
from windtunnel.workload import dataset
from windtunnel.workload.cell_load import CellLoad, ClosedCellLoad, OpenCellLoad
from windtunnel.workload.mixes import MIXES
from windtunnel.workload.open_load import Rates
from windtunnel.workload.open_loop import ScheduleStats
from windtunnel.workload.slow import SLOW, SlowKind, describe_streams
from windtunnel.workload.user import StoreUser
from windtunnel.workload.user_pool import UserConfig, UserPool

# What is seen of a cell between two moments.


class Window:
    """Closed load: requests count if they ended in it. Open load: if they were meant for it.

    CPU is read at both edges: before the first, and right after the last of these requests.
    """

    def __init__(
        self,
        user_pool: UserPool,
        load: CellLoad,
        beside: Bystanders,
        groups: cpu.Groups,
        folder: Path | None,
        facts: Mapping[str, Any],
    ) -> None:
        self._user_pool, self._load, self._beside, self._groups = user_pool, load, beside, groups
        self._before = cpu.read(groups)
        self._health = HealthMonitor()
        self._own = process_time()
        self._recording = Recording(
            user_pool.recorder, folder, facts, user_pool.sampler, self._counts
        )
        user_pool.retries.clear()
        self._began = perf_counter()

    def open(self, seconds: float) -> None:
        """Let the load work for `seconds`, or until it is over; raises CellError."""
        self._load.begin(self._began, self._began + seconds)
        self._beside.count_from(self._began)
        self._beside.end(self._began + seconds)
        self._load.run(seconds)

    def close(self, timeout: float) -> dict[str, Any]:
        """Return the measured part of a line of `cells.jsonl`, open load's last answers in it."""
        until = self._load.finish(timeout)
        recorded = self._recording.end()
        generator = round(process_time() - self._own, 6)
        spent = cpu.seconds(self._before, cpu.read(self._groups))
        health = self._health.stop() | schedule(self._load.stats)
        self._beside.end(until)
        self._beside.drain(timeout)
        seconds = until - self._began
        return {
            **measured(recorded, seconds),
            **self._counts(recorded),
            "bystander": self._beside.told(),
            "cpu_s": {"generator": generator, **dict.fromkeys(self._groups), **spent},
            "health": health,
            "flags": [*limits.flags(health), *self._flags(spent)],
            "void": None,
        }

    def _counts(self, recorded: Histograms) -> dict[str, int | None]:
        retried = self._user_pool.retries.total()
        return {**counts(recorded, self._load.stats), "retried": retried}

    def _flags(self, spent: Mapping[str, float]) -> list[str]:
        found = [f"a process of the {name} ended" for name in self._groups if name not in spent]
        if self._user_pool.depleted.is_set():
            found.append("ended early: a user had no record left to delete")
        if self._recording.error is not None:
            found.append(f"no series: {self._recording.error.strerror}")
        return found


RESET_TIMEOUT: Final = 150.0
SETTLE_AT_MOST: Final = 1.0
"""Seconds that databases get to become idle after a reset."""

_SETTLE_STEP: Final = 0.02
_IDLE: Final = 0.1


def measure(
    order: CellOrder, user_classes: Sequence[type[StoreUser]], notify: Callable[[Event], None]
) -> Cell:
    """Measure a cell; `notify` gets an event when the reset and the measuring begin.

    Raises CellError.
    """
    streams = [kind.stream for kind in user_classes]
    rates = rates_of(order, streams) if order.rate is not None or streams != [""] else {}
    notify(Reset())
    if short := descriptors.raise_limit(order.connections):
        raise CellError(short)
    user_pool = assemble(order, rates)
    for kind in user_classes:
        kind.user_pool = user_pool
    if order.sample and order.folder is not None:
        user_pool.sampler = Sampler(order.sample, order.seed)
    beside = _bystanders(order)
    load = begin(order, user_classes, user_pool, rates)
    try:
        beside.run()
        load.run(order.warmup)
        notify(Measuring())
        window = Window(user_pool, load, beside, order.groups, _folder(order), facts(order))
        window.open(order.duration)
        measured = window.close(order.timeout)
    finally:
        beside.close()
        load.stop(order.timeout)
    measured["health"]["population"] = user_pool.config.population
    streams_of_cell = _streams(order, rates, load.stats_by_stream)
    return msgspec.convert(
        {**facts(order), "process": order.process, **measured, "streams": streams_of_cell}, Cell
    )


def facts(order: CellOrder) -> dict[str, Any]:
    """Return what names a cell."""
    return msgspec.structs.asdict(order.conditions)


def rates_of(order: CellOrder, streams: Iterable[str]) -> Rates:
    """Return the rate of each stream; raises CellError where several have none."""
    rates = {name: order.slow_rate if name == SLOW else order.rate for name in streams}
    lacking = [name for name, rate in rates.items() if rate is None]
    if lacking:
        raise CellError(f"no rate is given for {', '.join(lacking)}: {order.scenario} needs one")
    return {name: rate for name, rate in rates.items() if rate is not None}


def _streams(
    order: CellOrder, rates: Rates, sent: Mapping[str, ScheduleStats]
) -> dict[str, dict[str, object]]:
    """Return each of several streams: what it asked for, and how that went."""
    streams = describe_streams(rates, order.mix or "", order.work, order.summary_store)
    return {name: {**stream, **sent[name].as_dict()} for name, stream in streams.items()}


def begin(
    order: CellOrder, user_classes: Sequence[type[StoreUser]], user_pool: UserPool, rates: Rates
) -> CellLoad:
    """Put the load on."""
    if not rates:
        return ClosedCellLoad(user_classes[0], user_pool, order.users or 0)
    return OpenCellLoad(user_classes, user_pool, rates, order.arrivals, order.max_in_flight)


def _bystanders(order: CellOrder) -> Bystanders:
    rates = {} if order.loaded_rate is None else {order.target: order.loaded_rate}
    try:
        return Bystanders(order.bystanders, order.bystander_rate, order.timeout, rates)
    except (OSError, ValueError) as error:
        raise CellError(f"no bystander: {error}") from error


def _folder(order: CellOrder) -> Path | None:
    return Path(order.folder) if order.folder is not None else None


def assemble(order: CellOrder, rates: Rates) -> UserPool:
    """Bring the store to its starting state, and gather what its users need; raises CellError."""
    if order.store is None or order.mix is None:
        raise CellError(f"scenario {order.scenario} needs a store and a mix")
    mix = MIXES.get(order.mix)
    if mix is None:
        raise CellError(f"there is no mix {order.mix!r}: choose one of {', '.join(MIXES)}")
    seconds = order.warmup + order.duration
    size = dataset.population_size(mix, order.population, order.connections, seconds)
    client = Client(_target(order.target), Deadlines(RESET_TIMEOUT))
    try:
        ids = dataset.recreate(client, order.store, order.seed, size)
        if Operation.SUMMARY in mix:
            dataset.seed_summary(client, order.store, order.summary_size)
        if rates.get(SLOW) and order.slow_work is SlowKind.SUMMARY:
            dataset.seed_summary(client, order.summary_store, order.summary_size)
    except dataset.ResetError as error:
        raise CellError(str(error)) from error
    finally:
        client.close()
    settle(order.groups.get("database", []))
    terms = UserConfig(
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
        summary_stores={order.store: order.summary_store},
    )
    free = {order.store: dataset.records(order.seed, size, ids)}
    return UserPool(terms, free, order.users or 1, round=order.round)


def _target(url: str) -> Address:
    try:
        return Address(url)
    except (OSError, ValueError) as error:
        raise CellError(f"no target: {error}") from error


def settle(database: list[int]) -> None:
    """Wait until the database's processes are idle, at most `SETTLE_AT_MOST` seconds."""
    pids = cpu.family(database, cpu.processes())
    until = perf_counter() + SETTLE_AT_MOST
    spent = sum(map(cpu.cpu_ns, pids))
    while pids and perf_counter() < until:
        gevent.sleep(_SETTLE_STEP)
        before, spent = spent, sum(map(cpu.cpu_ns, pids))
        if (spent - before) / 1e9 < _SETTLE_STEP * _IDLE:
            return
