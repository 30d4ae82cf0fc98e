"""The state that a cell starts from: its store recreated and seeded, its databases idle again."""

from __future__ import annotations

from time import perf_counter
from typing import Final

import gevent

from windtunnel.client.address import Address
from windtunnel.client.api import Operation
from windtunnel.client.client import Client
from windtunnel.client.deadlines import Deadlines
from windtunnel.errors import CellError
from windtunnel.recording import cpu
from windtunnel.runner.cell_order import CellOrder
from windtunnel.workload import dataset
from windtunnel.workload.mixes import MIXES
from windtunnel.workload.open_load import Rates
from windtunnel.workload.slow import SLOW, SlowKind
from windtunnel.workload.user_pool import UserConfig, UserPool

RESET_TIMEOUT: Final = 150.0
SETTLE_AT_MOST: Final = 1.0
"""Seconds that databases get to become idle after a reset."""

_SETTLE_STEP: Final = 0.02
_IDLE: Final = 0.1


def prepare(order: CellOrder, rates: Rates) -> UserPool:
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
