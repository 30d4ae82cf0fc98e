from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.runner.cell_plan import LoadSpec, Plan, plan
from windtunnel.workload.mixes import MIXES
from windtunnel.workload.stores import StoreInfo, UnknownStoreError, select

OPERATIONS = frozenset({"create", "read", "update", "edit", "delete", "find", "summary"})


def offer(id: str, *, default: bool = True, local: bool = False, status: str = "up") -> StoreInfo:
    engine, mode, _ = id.split("/")
    lacks = {"find": "no index"} if engine == "redis" else {}
    return StoreInfo(
        id=id,
        mode=mode,
        default=default,
        status=status,
        detail=None if status == "up" else "refused",
        operations=OPERATIONS - lacks.keys(),
        not_available=lacks,
        service=engine,
        local=local,
        ledger={},
    )


OFFERS = [
    offer("memory/async/volatile", local=True),
    offer("redis/async/fast"),
    offer("redis/threads/fast"),
    offer("redis/async/safe", default=False),
    offer("mongo/async/fast", status="down"),
]


def planned(
    globs: list[str], loads: list[LoadSpec], rounds: int = 2, seed: int = 1, *, full: bool = False
) -> Plan:
    return plan(OFFERS, globs, loads, full=full, rounds=rounds, seed=seed)


BALANCED = LoadSpec("balanced", 8, 1)


def test_a_run_that_names_no_store_compares_default_durabilities_without_threads() -> None:
    assert [o.id for o in planned([], [BALANCED]).stores] == [
        "memory/async/volatile",
        "redis/async/fast",
    ]


def test_full_takes_every_mode_and_durability() -> None:
    assert [o.id for o in planned([], [BALANCED], full=True).stores] == [
        "memory/async/volatile",
        "redis/async/fast",
        "redis/threads/fast",
        "redis/async/safe",
    ]


def test_what_is_down_is_skipped_with_its_reason() -> None:
    assert planned([], [BALANCED]).skipped == {"mongo/async/fast": "refused"}


def test_what_an_engine_does_not_offer_is_skipped_with_its_reason() -> None:
    skipped = planned(["redis/async/*"], [LoadSpec("find", 8, 1)]).skipped
    assert skipped["redis/async/fast"] == "mix find needs find: no index"


def test_a_store_is_measured_under_the_loads_that_it_bears() -> None:
    made = planned(["redis/async/fast", "memory/*"], [BALANCED, LoadSpec("balanced", 8, 2)])
    assert Counter(order.store.id for order in made) == {
        "redis/async/fast": 4,
        "memory/async/volatile": 2,
    }


def test_the_loads_that_a_store_does_not_bear_are_told_too() -> None:
    made = planned(["redis/async/fast", "memory/*"], [BALANCED, LoadSpec("find", 8, 2)])
    assert {o.id for o in made.stores} == {"redis/async/fast", "memory/async/volatile"}
    assert made.skipped == {
        "redis/async/fast": "mix find needs find: no index",
        "memory/async/volatile": "2 processes: each has data of its own, so only one can be loaded",
    }


def test_a_glob_that_selects_nothing_is_an_error_that_names_the_engines() -> None:
    with pytest.raises(UnknownStoreError, match=r"'oracle/\*'.*memory, mongo, redis"):
        select(OFFERS, ["redis/*", "oracle/*"])


def test_every_mix_is_known_to_the_plan() -> None:
    for mix in MIXES:
        planned([], [LoadSpec(mix, 1, 1)])


@given(rounds=st.integers(1, 8), seed=st.integers(0, 1000))
def test_each_round_holds_every_cell_once_and_a_seed_fixes_the_order(
    rounds: int, seed: int
) -> None:
    loads = [BALANCED, LoadSpec("read", 16, 1)]
    made = planned([], loads, rounds, seed, full=True)
    orders = list(made)
    assert orders == list(planned([], loads, rounds, seed, full=True))
    assert len(orders) == len(made)
    per_round = [
        Counter((o.store.id, o.load) for o in orders if o.round == r) for r in range(1, rounds + 1)
    ]
    assert all(seen == per_round[0] and set(seen.values()) == {1} for seen in per_round)


def test_rounds_are_shuffled_differently() -> None:
    orders = [(o.round, o.store.id) for o in planned([], [BALANCED], rounds=6, full=True)]
    assert len({tuple(s for r, s in orders if r == n) for n in range(1, 7)}) > 1
