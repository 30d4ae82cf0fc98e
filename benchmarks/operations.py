"""What an operation costs through a store, beside the same driver call alone, in one process.

Three ways to the same record, in short blocks, in turn: `store.read`; the engine's driver call and
what it makes of the answer, by hand (for threads: in a bare `run_in_executor`); and the driver call
without even that. The limit holds between the first two: what is made of the answer is the
application's, whoever calls. CPU time of the process counts, all threads together, so that it does
not matter what other processes do meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from time import process_time_ns
from typing import Any

from benchmarks.check import Verdict
from benchmarks.workspace import place
from deploy import lifecycle, programs
from server.api.enums import Mode
from server.api.record import Record, new_id
from server.engines import discover
from server.engines.base import Engine, Op
from server.errors import Problem
from server.settings import Settings, addresses
from server.stores import Store, Stores
from server.stores.modes import CallTimes

RATIO, EXTRA = 1.05, 3.0
"""Limits: this times the driver's own cost, or so many microseconds more."""

BLOCKS, CALLS = 120, 50

ENGINES = ("memory", "sqlite", "redis", "postgres-asyncpg")
SERVICES = ("redis", "postgres")

Call = Callable[[], Awaitable[Any]]


def made_of(op: Op[Any], answer: Any) -> Any:
    """Return what a read makes of its driver's answer."""
    try:
        op.send(answer)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("a read has one driver call")


def by_hand(engine: Engine, mode: Mode, db: Any, id: str, executor: Executor) -> tuple[Call, Call]:
    """Return the driver call of `read` and what it makes of the answer; and the call alone.

    What the operation first yields is its driver call; the generator's own cost, 0.2 us, is
    counted as the driver's.
    """
    loop = asyncio.get_running_loop()

    def sync() -> Any:
        op = engine.read(db, id)
        return made_of(op, next(op))

    async def native() -> Any:
        op = engine.read(db, id)
        return made_of(op, await next(op))

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


async def cost(call: Call) -> float:
    """Return microseconds of CPU for a call."""
    before = process_time_ns()
    for _ in range(CALLS):
        await call()
    return (process_time_ns() - before) / CALLS / 1000


@dataclass(frozen=True, slots=True)
class Costs:
    """Medians, in microseconds of CPU: by hand, the driver alone, and what the store adds."""

    by_hand: float
    alone: float
    added: float

    @property
    def ratio(self) -> float:
        """What the store costs for each microsecond by hand."""
        return 1 + self.added / self.by_hand


async def compared(mine: Call, hand: Call, alone: Call) -> Costs:
    """Measure three ways in turn, in another order each time."""
    ways = (mine, hand, alone)
    blocks = []
    for number in range(BLOCKS):
        costs = dict.fromkeys(ways, 0.0)
        for way in ways[number % 3 :] + ways[: number % 3]:
            costs[way] = await cost(way)
        blocks.append([costs[way] for way in ways])
    kept = blocks[BLOCKS // 10 :]
    added = median(mine - hand for mine, hand, _ in kept)
    return Costs(median(b[1] for b in kept), median(b[2] for b in kept), added)


async def measured(store: Store) -> Verdict:
    """Compare one store's read with the call of its driver."""
    name = f"read through {store.id}"
    limit = f"{RATIO:.2f} or +{EXTRA:g} us"
    record = Record(new_id(), "what a store costs", datetime.now(UTC), 12.5, ["perf"])
    record.when = record.when.replace(microsecond=0)
    try:
        await store.create(CallTimes(), record)
    except Problem as error:
        return Verdict(name, f"not measured: {error.detail}", limit, None)
    passes = [await _beside(store, record)]
    if not _holds(passes[0]):  # a busy machine? three passes tell
        passes += [await _beside(store, record), await _beside(store, record)]
    found = sorted(passes, key=lambda costs: costs.added)[len(passes) // 2]
    said = f"{found.by_hand:.1f} us ({found.alone:.1f}) {found.added:+.2f} = {found.ratio:.3f}"
    if len(passes) > 1:
        said += f" (median of {len(passes)})"
    return Verdict(name, said, limit, _holds(found))


def _holds(costs: Costs) -> bool:
    return costs.ratio <= RATIO or costs.added <= EXTRA


async def _beside(store: Store, record: Record) -> Costs:
    """Compare on a connection of the same kind, made and closed where it is used."""
    engine, mode = store.new_engine(store.connections), store.mode
    executor = ThreadPoolExecutor(store.connections)

    async def mine() -> Any:
        return await store.read(CallTimes(), record.id)

    async def here(function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(
            executor if mode is Mode.THREADS else None, function, *args
        )

    db = await engine.aconnect() if mode is Mode.ASYNC else await here(engine.connect)
    try:
        return await compared(mine, *by_hand(engine, mode, db, record.id, executor))
    finally:
        await (engine.aclose(db) if mode is Mode.ASYNC else here(engine.close, db))
        executor.shutdown()
        await store.close()


def chosen(environ: Mapping[str, str]) -> Iterator[Store]:
    """Yield the stores that are measured: each mode of a few engines at the default durability."""
    settings = Settings(addresses=addresses(environ))
    stores = Stores(discover().values(), settings)
    return (s for s in stores.values() if s.engine.name in ENGINES and s.is_default)


def operations() -> Iterator[Verdict]:
    """Measure one store after another, on databases of their own."""
    with place() as here:
        lifecycle.ensure_up(SERVICES, workspace=here)
        for store in chosen(programs.database_urls(here)):
            yield asyncio.run(measured(store))
