from __future__ import annotations

import random

import msgspec
import pytest

from windtunnel.client.api import Draft, decode_record, encode
from windtunnel.workload.checks import record_of
from windtunnel.workload.dataset import (
    ResetError,
    _prepared,
    draft,
    drafts,
    population_size,
    prepared_writes,
    records,
)
from windtunnel.workload.mixes import MIXES
from windtunnel.workload.user_pool import UserConfig, UserPool


def test_the_same_seed_gives_the_same_data() -> None:
    assert list(drafts(7, 50)) == list(drafts(7, 50))
    assert list(drafts(7, 50)) != list(drafts(8, 50))
    assert list(drafts(7, 50)) == list(drafts(7, 80))[:50]
    prepared_writes.cache_clear()
    first = prepared_writes(7)
    prepared_writes.cache_clear()
    assert prepared_writes(7) == first


def test_data_survives_json_and_keeps_the_contract() -> None:
    for content in drafts(3, 300):
        record = record_of("0" * 24, content)
        assert decode_record(encode(record)) == record
        assert content.when.microsecond % 1000 == 0
        assert len(content.topic) <= 10_000
        assert len(content.tags) <= 100
    assert any(
        not text.isascii() for content in drafts(3, 300) for text in (content.topic, *content.tags)
    )


def test_an_edit_sets_some_fields_and_no_others() -> None:
    fields = {len(write.change) for write in prepared_writes(1)}
    assert fields == {1, 2, 3}
    for write in prepared_writes(1)[:50]:
        change = msgspec.json.decode(write.change_body)
        assert set(change) == set(write.change) < set(Draft.__struct_fields__)


def test_durations_spread_evenly() -> None:
    rng = random.Random(1)
    longer = sum(draft(rng).duration > 500 for _ in range(4_000))
    assert 1_800 < longer < 2_200


def test_each_user_gets_a_record_and_deleting_gets_more() -> None:
    assert population_size(MIXES["balanced"], 1_000, 8, 10) == 1_000
    assert population_size(MIXES["balanced"], 1_000, 3_000, 10) == 3_000
    assert population_size(MIXES["delete"], 1_000, 8, 2) == 10_000
    assert population_size(MIXES["delete"], 1_000, 8, 1e6) == 20_000


def test_what_no_request_can_carry_is_said() -> None:
    with pytest.raises(ResetError, match="use a smaller one"):
        _prepared(1, 500_000)


def user_pool(users: int, stores: tuple[str, ...], size: int = 100, rank: int = 0) -> UserPool:
    records_by_store = {s: records(1, size, [f"{s}-{n}" for n in range(size)]) for s in stores}
    return UserPool(
        UserConfig("http://127.0.0.1:1", "balanced", 1, size), records_by_store, users, rank
    )


@pytest.mark.parametrize("users", [1, 3, 8, 100])
def test_no_record_has_two_owners(users: int) -> None:
    pool = user_pool(users, ("a", "b"))
    assignments = [pool.join() for _ in range(users)]
    ids = [record.id for assignment in assignments for record in assignment.record_pool.records]
    assert len(ids) == len(set(ids))
    assert all(assignment.record_pool.records for assignment in assignments)
    assert all(r.id.startswith(a.store) for a in assignments for r in a.record_pool.records)


def test_users_are_divided_evenly_over_stores_and_stay_so() -> None:
    pool = user_pool(7, ("a", "b", "c"))
    assignments = [pool.join() for _ in range(7)]
    assert sorted(a.store for a in assignments) == list("aaabbcc")
    pool.leave(assignments[1])
    assert pool.join().store == assignments[1].store


def test_workers_begin_with_different_stores() -> None:
    assert [user_pool(1, ("a", "b"), rank=rank).join().store for rank in (0, 1)] == ["a", "b"]


def test_what_a_user_owned_is_there_for_the_next() -> None:
    pool = user_pool(1, ("a",))
    assignment = pool.join()
    pool.leave(assignment)
    assert pool.join().record_pool.records == assignment.record_pool.records


def test_each_user_draws_its_own_numbers_and_always_the_same() -> None:
    pool, other = user_pool(2, ("a",)), user_pool(2, ("a",))
    drawn = [pool.join().rng.random() for _ in range(2)]
    assert drawn == [other.join().rng.random() for _ in range(2)]
    assert len(set(drawn)) == 2
