"""Slow work: whose summary it requests, and what cannot be accompanied."""

from __future__ import annotations

from dataclasses import replace

import pytest

from windtunnel.recording.results import StreamResult
from windtunnel.runner.cell_plan import LoadSpec, plan, why_unsuitable
from windtunnel.workload.slow import (
    SlowKind,
    SlowLoad,
    SlowWork,
    blocking_store,
    describe_streams,
    summary_store,
    why_no_slow_work,
)
from windtunnel.workload.stores import StoreInfo

SLEEP, SUMMARY = SlowWork(SlowKind.SLEEP, 50), SlowWork(SlowKind.SUMMARY)


def store_info(id: str, service: str | None, *operations: str) -> StoreInfo:
    return StoreInfo(
        id=id,
        mode=id.split("/")[1],
        default=True,
        status="up",
        detail=None,
        operations=frozenset({"create", "read", "edit", "delete", *operations}),
        not_available={} if operations else {"summary": "a key-value store does not aggregate"},
        service=service,
        local=False,
        ledger={},
    )


ASYNCPG = store_info("asyncpg/async/fast", "postgres", "summary")
PSYCOPG = store_info("psycopg/blocking/fast", "postgres", "summary")
PSYCOPG_ASYNC = store_info("psycopg/async/fast", "postgres", "summary")
PSYCOPG2 = store_info("psycopg2/blocking/fast", "postgres", "summary")
SAFE = store_info("psycopg2/blocking/safe", "postgres", "summary")
MARIADB = store_info("mysql/blocking/fast", "mysql", "summary")
REDIS = store_info("redis/async/fast", "redis")
SQLITE = store_info("sqlite/async/fast", None, "summary")
SQLITE_BLOCKING = store_info("sqlite/blocking/fast", None, "summary")
MEMORY = store_info("memory/blocking/fast", None, "summary")
ALL = [MEMORY, MARIADB, SAFE, PSYCOPG2, PSYCOPG, PSYCOPG_ASYNC, ASYNCPG, REDIS, SQLITE]


@pytest.mark.parametrize(
    ("store", "stores", "expected"),
    [
        (PSYCOPG_ASYNC, ALL, PSYCOPG.id),
        (PSYCOPG2, ALL, PSYCOPG2.id),
        (ASYNCPG, ALL, PSYCOPG2.id),
        (ASYNCPG, [ASYNCPG, replace(PSYCOPG, status="down")], None),
        (ASYNCPG, [ASYNCPG, SAFE, MARIADB], None),
        (SQLITE, [*ALL, SQLITE_BLOCKING], SQLITE_BLOCKING.id),
        (SQLITE, ALL, None),
        (REDIS, ALL, None),
    ],
)
def test_the_summary_is_that_of_a_blocking_store_of_the_same_database(
    store: StoreInfo, stores: list[StoreInfo], expected: str | None
) -> None:
    assert summary_store(store, stores) == expected


def test_what_cannot_be_accompanied_says_why() -> None:
    assert why_no_slow_work(REDIS, SLEEP, ALL) is None
    assert why_no_slow_work(ASYNCPG, SUMMARY, ALL) is None
    why = why_no_slow_work(REDIS, SUMMARY, ALL)
    assert why == "slow work summary: a key-value store does not aggregate"
    why = why_no_slow_work(ASYNCPG, SUMMARY, [ASYNCPG])
    assert why == "slow work summary: no blocking store of its database that is up offers it"


def test_a_run_leaves_out_what_cannot_be_accompanied() -> None:
    loads = [LoadSpec("balanced", None, 3, 100.0, SlowLoad(5.0, work)) for work in (SLEEP, SUMMARY)]
    assert [why_unsuitable(REDIS, load) for load in loads] == [
        None,
        "slow work summary: a key-value store does not aggregate",
    ]
    run_plan = plan(ALL, ["redis/*", "asyncpg/*"], loads[1:], full=False, rounds=1, seed=1)
    assert [store.id for store in run_plan.stores] == [ASYNCPG.id]
    assert run_plan.summary_stores == {ASYNCPG.id: PSYCOPG2.id}
    assert set(run_plan.skipped) == {REDIS.id}
    alone = plan([ASYNCPG, REDIS], ["asyncpg/*"], loads[1:], full=False, rounds=1, seed=1)
    assert not alone.stores
    assert "no blocking store" in alone.skipped[ASYNCPG.id]


def test_the_blocking_store_of_an_engine() -> None:
    assert (
        blocking_store("redis/async/fast")
        == blocking_store("redis/blocking/fast")
        == "redis/blocking/fast"
    )


def test_streams_are_told_by_what_they_ask_for() -> None:
    rates = {"fast": 100.0, "slow": 5.0}
    streams = describe_streams(rates, "read", SLEEP)
    assert streams["fast"] == StreamResult(rate=100.0, work="read mix", operations=["read"])
    assert streams["slow"] == StreamResult(rate=5.0, work="sleep of 50 ms", operations=["sleep"])
    streams = describe_streams(rates, "read", SUMMARY, "psycopg/blocking/fast")
    assert streams["slow"].work == "summary of psycopg/blocking/fast"
    assert describe_streams({"": 10.0}, "read", SLEEP) == {}
