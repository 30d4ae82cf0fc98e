"""Slow work as it is ordered: whose summary is asked for, and what cannot be accompanied."""

from __future__ import annotations

from dataclasses import replace

import pytest

from windtunnel.runner.plan import LoadSpec, plan, why_unsuitable
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


def offer(id: str, service: str | None, *operations: str) -> StoreInfo:
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


ASYNCPG = offer("asyncpg/async/fast", "postgres", "summary")
PSYCOPG = offer("psycopg/blocking/fast", "postgres", "summary")
PSYCOPG_ASYNC = offer("psycopg/async/fast", "postgres", "summary")
PSYCOPG2 = offer("psycopg2/blocking/fast", "postgres", "summary")
SAFE = offer("psycopg2/blocking/safe", "postgres", "summary")
MARIADB = offer("mysql/blocking/fast", "mysql", "summary")
REDIS = offer("redis/async/fast", "redis")
SQLITE = offer("sqlite/async/fast", None, "summary")
SQLITE_BLOCKING = offer("sqlite/blocking/fast", None, "summary")
MEMORY = offer("memory/blocking/fast", None, "summary")
ALL = [MEMORY, MARIADB, SAFE, PSYCOPG2, PSYCOPG, PSYCOPG_ASYNC, ASYNCPG, REDIS, SQLITE]


@pytest.mark.parametrize(
    ("store", "offers", "whose"),
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
    store: StoreInfo, offers: list[StoreInfo], whose: str | None
) -> None:
    assert summary_store(store, offers) == whose


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
    found = plan(ALL, ["redis/*", "asyncpg/*"], loads[1:], full=False, rounds=1, seed=1)
    assert [store.id for store in found.stores] == [ASYNCPG.id]
    assert found.summary_stores == {ASYNCPG.id: PSYCOPG2.id}
    assert set(found.skipped) == {REDIS.id}
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
    told = describe_streams(rates, "read", SLEEP)
    assert told["fast"] == {"rate": 100.0, "work": "read mix", "operations": ["read"]}
    assert told["slow"] == {"rate": 5.0, "work": "sleep of 50 ms", "operations": ["sleep"]}
    told = describe_streams(rates, "read", SUMMARY, "psycopg/blocking/fast")
    assert told["slow"]["work"] == "summary of psycopg/blocking/fast"
    assert describe_streams({"": 10.0}, "read", SLEEP) == {}
