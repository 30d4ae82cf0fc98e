from __future__ import annotations

import random

import msgspec
import pytest

from windtunnel.client.api import Draft, decode_record, encode
from windtunnel.workload.checks import named
from windtunnel.workload.dataset import (
    ResetError,
    _prepared,
    draft,
    drafts,
    records,
    samples,
    size_for,
)
from windtunnel.workload.mixes import MIXES
from windtunnel.workload.user_pool import UserConfig, UserPool


def test_the_same_seed_gives_the_same_data() -> None:
    assert list(drafts(7, 50)) == list(drafts(7, 50))
    assert list(drafts(7, 50)) != list(drafts(8, 50))
    assert list(drafts(7, 50)) == list(drafts(7, 80))[:50]
    samples.cache_clear()
    first = samples(7)
    samples.cache_clear()
    assert samples(7) == first


def test_data_survives_json_and_keeps_the_contract() -> None:
    for made in drafts(3, 300):
        record = named("0" * 24, made)
        assert decode_record(encode(record)) == record
        assert made.when.microsecond % 1000 == 0
        assert len(made.topic) <= 10_000
        assert len(made.tags) <= 100
    assert any(not text.isascii() for made in drafts(3, 300) for text in (made.topic, *made.tags))


def test_an_edit_sets_some_fields_and_no_others() -> None:
    fields = {len(sample.change) for sample in samples(1)}
    assert fields == {1, 2, 3}
    for sample in samples(1)[:50]:
        sent = msgspec.json.decode(sample.change_body)
        assert set(sent) == set(sample.change) < set(Draft.__struct_fields__)


def test_durations_spread_evenly() -> None:
    rng = random.Random(1)
    longer = sum(draft(rng).duration > 500 for _ in range(4_000))
    assert 1_800 < longer < 2_200


def test_each_user_gets_a_record_and_deleting_gets_more() -> None:
    assert size_for(MIXES["balanced"], 1_000, 8, 10) == 1_000
    assert size_for(MIXES["balanced"], 1_000, 3_000, 10) == 3_000
    assert size_for(MIXES["delete"], 1_000, 8, 2) == 10_000
    assert size_for(MIXES["delete"], 1_000, 8, 1e6) == 20_000


def test_what_no_request_can_carry_is_said() -> None:
    with pytest.raises(ResetError, match="ask for less"):
        _prepared(1, 500_000)


def crowd(users: int, stores: tuple[str, ...], size: int = 100, rank: int = 0) -> UserPool:
    free = {s: records(1, size, [f"{s}-{n}" for n in range(size)]) for s in stores}
    return UserPool(UserConfig("http://127.0.0.1:1", "balanced", 1, size), free, users, rank)


@pytest.mark.parametrize("users", [1, 3, 8, 100])
def test_no_record_has_two_owners(users: int) -> None:
    gathered = crowd(users, ("a", "b"))
    places = [gathered.join() for _ in range(users)]
    ids = [record.id for place in places for record in place.stock.records]
    assert len(ids) == len(set(ids))
    assert all(place.stock.records for place in places)
    assert all(r.id.startswith(p.store) for p in places for r in p.stock.records)


def test_users_are_divided_evenly_over_stores_and_stay_so() -> None:
    gathered = crowd(7, ("a", "b", "c"))
    places = [gathered.join() for _ in range(7)]
    assert sorted(p.store for p in places) == list("aaabbcc")
    gathered.leave(places[1])
    assert gathered.join().store == places[1].store


def test_workers_begin_with_different_stores() -> None:
    assert [crowd(1, ("a", "b"), rank=rank).join().store for rank in (0, 1)] == ["a", "b"]


def test_what_a_user_owned_is_there_for_the_next() -> None:
    gathered = crowd(1, ("a",))
    place = gathered.join()
    gathered.leave(place)
    assert gathered.join().stock.records == place.stock.records


def test_each_user_draws_its_own_numbers_and_always_the_same() -> None:
    one, other = crowd(2, ("a",)), crowd(2, ("a",))
    drawn = [one.join().rng.random() for _ in range(2)]
    assert drawn == [other.join().rng.random() for _ in range(2)]
    assert len(set(drawn)) == 2
