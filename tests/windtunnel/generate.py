"""Seeded runs for the pure functions over results: what a recorder would have written."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hdrh.histogram import HdrHistogram

from windtunnel.recording import results
from windtunnel.recording.results import (
    BystanderResult,
    Cell,
    CpuSeconds,
    LatencySummary,
    Ledger,
    OperationResult,
    RunInfo,
)

BALANCED = {"create": 1, "read": 6, "edit": 2, "delete": 1}
WEIGHT = {"create": 1.3, "read": 1.0, "update": 1.3, "edit": 2.1, "delete": 1.2, "find": 2.0}
FULL = (
    *(f"memory/{mode}/volatile" for mode in ("blocking", "async")),
    *(f"sqlite/{mode}/fast" for mode in ("blocking", "async")),
    "postgres-psycopg2/blocking/fast",
    *(f"postgres-psycopg/{mode}/fast" for mode in ("blocking", "async")),
    "postgres-asyncpg/async/fast",
    *(f"mongo-pymongo/{mode}/fast" for mode in ("blocking", "async")),
    "mongo-motor/async/fast",
    *(f"mongo-engine/{mode}/fast" for mode in ("blocking", "async")),
    *(f"redis/{mode}/fast" for mode in ("blocking", "async")),
    "memcached-pymemcache/blocking/volatile",
    "memcached-aiomcache/async/volatile",
    *(f"mysql-pymysql/{mode}/fast" for mode in ("blocking", "async")),
    "mysql-asyncmy/async/fast",
    *(f"elasticsearch/{mode}/fast" for mode in ("blocking", "async")),
)


@dataclass
class Made:
    """How a generated run is to look; times in microseconds."""

    stores: Sequence[str] = FULL
    rounds: int = 6
    samples: int = 400
    mixes: Sequence[str] = ("balanced",)
    users: Sequence[int] = (8,)
    rates: Sequence[float] = ()
    variants: Sequence[str | None] = (None,)
    variant_factor: float = 1.0
    skipping: dict[str, float] = field(default_factory=dict)
    limited: Sequence[str] = ()
    seed: int = 1
    base_us: dict[str, float] = field(default_factory=dict)
    failing: dict[str, float] = field(default_factory=dict)
    void: dict[tuple[str, int], str] = field(default_factory=dict)
    flags: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    drift: float = 0.03


def histogram(values: Sequence[int]) -> str:
    recorded = HdrHistogram(1, 60_000_000, 3)
    for value in values:
        recorded.record_value(value)
    return str(recorded.encode().decode())


def info(made: Made) -> RunInfo:
    return RunInfo(
        scenario="crud",
        started=datetime(2026, 11, 21, 3, 0, tzinfo=UTC),
        seed=made.seed,
        git={"revision": "0123456789abcdef", "dirty": False},
        host={"cpu": "Testium 9000", "cores": 2, "memory_bytes": 8 << 30, "kernel": "6.1"},
        settings={"users": list(made.users), "rounds": made.rounds, "seconds": 3.0},
        stores={store: ledger(store) for store in made.stores},
        skipped=made.skipped,
    )


def ledger(store: str) -> Ledger:
    engine, mode, durability = store.split("/")
    lacking = {"find": "it has no queries"} if engine.startswith("memcached") else {}
    return Ledger(
        driver=f"{engine} 1.2.3",
        server=None if engine in {"memory", "sqlite"} else f"{engine.split('-')[0]} 18.4",
        promise=f"commit={durability}",
        survives_process_crash=durability in {"fast", "safe"},
        survives_host_crash=durability == "safe",
        connections=1 if mode == "blocking" else 10,
        round_trips={"create": 1, "read": 1, "edit": 2, "delete": 1},
        codec="msgspec JSON",
        transport="TCP",
        notes=["search sees a write after its refresh"] if engine == "elasticsearch" else [],
        not_available=lacking,
    )


def cells(made: Made) -> list[Cell]:
    draw = random.Random(made.seed)
    return [
        _cell(made, draw, store, mix, load, number, variant)
        for number in range(1, made.rounds + 1)
        for load in (
            [(None, rate) for rate in made.rates] + [(users, None) for users in made.users]
        )
        for mix in made.mixes
        for store in made.stores
        for variant in made.variants
    ]


def write(folder: Path, made: Made, *, finished: bool = True) -> Path:
    results.create(folder, info(made))
    for cell in cells(made):
        results.append(folder, cell)
    if finished:
        results.finish(folder, info(made))
    return folder


def base_of(made: Made, store: str) -> float:
    known = sorted({*FULL, *made.stores})
    random.Random(4).shuffle(known)
    rank = known.index(store)
    return made.base_us.get(store, 300 * 1.12**rank)


Amount = tuple[int | None, float | None]


def _cell(
    made: Made,
    draw: random.Random,
    store: str,
    mix: str,
    load: Amount,
    number: int,
    variant: str | None,
) -> Cell:
    weights = BALANCED if mix == "balanced" else {mix: 10}
    lacking = ledger(store).not_available
    found = []
    for operation, weight in weights.items():
        if operation not in lacking:
            count = max(1, made.samples * weight // sum(weights.values()))
            found += _outcomes(made, draw, store, operation, count, load, variant)
    total = sum(result.count for result in found)
    seconds = 3.0
    users, rate = load
    skipped = round(total * made.skipping.get(store, 0.0))
    health = {"steal": abs(draw.gauss(0.04, 0.02)), "generator_cpu": 0.4}
    scheduled: dict[str, Any] = {}
    if rate is not None:
        health |= {"schedule_lag_p99_ms": 3.1 if store in made.limited else 0.4}
        scheduled = {
            "intended": total + skipped,
            "late": total // 50,
            "skipped": skipped,
            "stale": 0,
            "retried": 0,
            "bystander": [bystander(draw, base_of(made, store) * 1.5)],
        }
    return Cell(
        store=store,
        variant=variant,
        mix=mix,
        target="http://127.0.0.1:10001",
        connections=10,
        round=number,
        users=users,
        rate=rate,
        seconds=seconds,
        throughput_rps=rate
        or (users or 0) / (base_of(made, store) * 1.4e-6) * draw.gauss(1, made.drift),
        operations=found,
        cpu_s=CpuSeconds(
            generator=total * 50e-6,
            server=total * draw.gauss(150e-6, 4e-6) * base_of(made, store) / 600,
            database=total * 60e-6,
        ),
        health=health,
        **scheduled,
        flags=made.flags.get((store, number), []),
        void=made.void.get((store, number)),
    )


def _outcomes(
    made: Made,
    draw: random.Random,
    store: str,
    operation: str,
    count: int,
    load: Amount,
    variant: str | None,
) -> list[OperationResult]:
    users, rate = load
    factor = made.variant_factor if variant == "against" else 1.0
    shift = math.log(base_of(made, store) * WEIGHT.get(operation, 5.0) * (users or 8) / 8 * factor)
    shift += draw.gauss(0, made.drift)
    values = [int(draw.lognormvariate(shift, 0.35)) + 1 for _ in range(count)]
    values = [value * 8 if draw.random() < 0.01 else value for value in values]
    failed = round(count * made.failing.get(store, 0.0))
    good = OperationResult(
        operation=operation,
        count=count - failed,
        service_us=_times(values[failed:]),
        response_us=_times(waited(values[failed:], draw)) if rate is not None else None,
    )
    bad = OperationResult(operation=operation, outcome="timeout", count=failed)
    return [result for result in (good, bad) if result.count]


def waited(values: list[int], draw: random.Random) -> list[int]:
    """What a stall adds: one in thirty waits behind it, up to 60 ms."""
    return [v + draw.randint(1, 60_000) if draw.random() < 1 / 30 else v + 30 for v in values]


def bystander(draw: random.Random, median: float) -> BystanderResult:
    values = [int(draw.lognormvariate(math.log(median), 0.5)) + 1 for _ in range(400)]
    return BystanderResult(
        process="127.0.0.1:10001", intended=400, failed=0, response_us=_times(values)
    )


def _times(values: list[int]) -> LatencySummary | None:
    return LatencySummary(max=max(values), histogram=histogram(values)) if values else None
