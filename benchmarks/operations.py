"""What an operation costs through a store, against the same driver call alone, in one process.

The same record is read in three ways, in short blocks, in turn: through `store.read`; by hand, by
the engine's driver call and the decoding of its result (for threads: in a bare `run_in_executor`);
and by the driver call alone. The limit holds between the first two, as any application decodes.
CPU time of the process counts, all threads together, so that other processes do not matter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from time import process_time_ns
from typing import Any, Final

from benchmarks.harness import Check
from benchmarks.workspace import own_workspace
from deploy import lifecycle, programs
from server.api.enums import Mode
from server.api.record import Record, new_id
from server.engines import discover
from server.engines.base import Engine, Op
from server.errors import Problem
from server.settings import Settings, addresses
from server.stores import Store, Stores
from server.stores.modes import CallTimes

RATIO_LIMIT: Final = 1.05
"""CPU time of a read through a store, as a multiple of the same read by hand."""

ADDED_LIMIT_US: Final = 3.0
"""CPU microseconds that a store may add where that is more; 0.8 and 0.9 were measured for memory on
28 November 2026, beside other work."""

BLOCKS, CALLS = 120, 50

ENGINES = ("memory", "sqlite", "redis", "postgres-asyncpg")
SERVICES = ("redis", "postgres")

Call = Callable[[], Awaitable[Any]]


def decoded(op: Op[Any], result: Any) -> Any:
    """Return what a read makes of the result of its driver call."""
    try:
        op.send(result)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("a read has one driver call")


def by_hand(engine: Engine, mode: Mode, db: Any, id: str, executor: Executor) -> tuple[Call, Call]:
    """Return a read by hand, the driver call and its decoding; and the driver call alone.

    What the operation first yields is its driver call; the generator's own cost, 0.2 us, is
    counted as the driver's.
    """
    loop = asyncio.get_running_loop()

    def sync() -> Any:
        op = engine.read(db, id)
        return decoded(op, next(op))

    async def native() -> Any:
        op = engine.read(db, id)
        return decoded(op, await next(op))

    async def native_alone() -> Any:
        return await next(engine.read(db, id))

    def sync_alone() -> Any:
        return next(engine.read(db, id))

    def waiting(function: Callable[[], Any]) -> Call:
        async def blocking() -> Any:
            return function()

        async def threaded() -> Any:
            return await loop.run_in_executor(executor, function)

        return threaded if mode is Mode.THREADS else blocking

    if mode is Mode.ASYNC:
        return native, native_alone
    return waiting(sync), waiting(sync_alone)


async def cost_us(call: Call) -> float:
    """Return the CPU microseconds of a call."""
    start_ns = process_time_ns()
    for _ in range(CALLS):
        await call()
    return (process_time_ns() - start_ns) / CALLS / 1000


@dataclass(frozen=True, slots=True)
class Costs:
    """Medians, in CPU microseconds: by hand, the driver call alone, and what the store adds."""

    by_hand_us: float
    driver_us: float
    added_us: float

    @property
    def ratio(self) -> float:
        """A read through the store, as a multiple of one by hand."""
        return 1 + self.added_us / self.by_hand_us


async def compare(store: Call, by_hand: Call, driver: Call) -> Costs:
    """Measure three ways in turn, in another order each time."""
    calls = (store, by_hand, driver)
    blocks = []
    for number in range(BLOCKS):
        costs_us = dict.fromkeys(calls, 0.0)
        for call in calls[number % 3 :] + calls[: number % 3]:
            costs_us[call] = await cost_us(call)
        blocks.append([costs_us[call] for call in calls])
    warm = blocks[BLOCKS // 10 :]
    added_us = median(store_us - by_hand_us for store_us, by_hand_us, _ in warm)
    return Costs(median(b[1] for b in warm), median(b[2] for b in warm), added_us)


async def check(store: Store) -> Check:
    """Compare a read through a store with the call of its driver."""
    name = f"read through {store.id}"
    limit = f"{RATIO_LIMIT:.2f} or +{ADDED_LIMIT_US:g} us"
    record = Record(new_id(), "what a store costs", datetime.now(UTC), 12.5, ["perf"])
    record.when = record.when.replace(microsecond=0)
    try:
        await store.create(CallTimes(), record)
    except Problem as error:
        return Check(name, f"not measured: {error.detail}", limit, None)
    passes = [await _measure(store, record)]
    if not _is_within_limit(passes[0]):  # a busy machine? three passes tell
        passes += [await _measure(store, record), await _measure(store, record)]
    costs = sorted(passes, key=lambda costs: costs.added_us)[len(passes) // 2]
    figures = (
        f"{costs.by_hand_us:.1f} us ({costs.driver_us:.1f}) "
        f"{costs.added_us:+.2f} = {costs.ratio:.3f}"
    )
    if len(passes) > 1:
        figures += f" (median of {len(passes)})"
    return Check(name, figures, limit, _is_within_limit(costs))


def _is_within_limit(costs: Costs) -> bool:
    return costs.ratio <= RATIO_LIMIT or costs.added_us <= ADDED_LIMIT_US


async def _measure(store: Store, record: Record) -> Costs:
    """Compare on a connection of the same kind, made and closed where it is used."""
    engine, mode = store.new_engine(store.connections), store.mode
    executor = ThreadPoolExecutor(store.connections)

    async def through_store() -> Any:
        return await store.read(CallTimes(), record.id)

    async def in_thread(function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(
            executor if mode is Mode.THREADS else None, function, *args
        )

    db = await engine.aconnect() if mode is Mode.ASYNC else await in_thread(engine.connect)
    try:
        return await compare(through_store, *by_hand(engine, mode, db, record.id, executor))
    finally:
        await (engine.aclose(db) if mode is Mode.ASYNC else in_thread(engine.close, db))
        executor.shutdown()
        await store.close()


def measured_stores(environ: Mapping[str, str]) -> Iterator[Store]:
    """Yield each mode of a few engines at their default durability."""
    settings = Settings(addresses=addresses(environ))
    stores = Stores(discover().values(), settings)
    return (s for s in stores.values() if s.engine.name in ENGINES and s.is_default)


def operations() -> Iterator[Check]:
    """CPU of a read through a store, against its driver call alone."""
    with own_workspace() as workspace:
        lifecycle.ensure_up(SERVICES, workspace=workspace)
        for store in measured_stores(programs.database_urls(workspace)):
            yield asyncio.run(check(store))
