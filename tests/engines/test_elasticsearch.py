"""What is Elasticsearch's own: one shard, searches that lag, updates that meet."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.request import Request, urlopen

import pytest

from server.api.record import Record
from server.errors import Unavailable
from server.stores import Store
from server.stores.modes import CallTimes
from tests.engines.test_conformance import NOON, record

pytestmark = pytest.mark.stores("elasticsearch/*/fast")


def ask(store: Store, path: str, method: str = "GET") -> Any:
    request = Request(f"{store.address}/{store.new_engine(1).collection}{path}", method=method)
    with urlopen(request) as answer:
        return json.load(answer)


async def test_the_index_is_as_the_ledger_says(store: Store) -> None:
    await store.reset([record()])
    collection = store.new_engine(1).collection
    settings = ask(store, "/_settings")[collection]["settings"]["index"]
    mapping = ask(store, "/_mapping")[collection]["mappings"]
    assert (settings["number_of_shards"], settings["number_of_replicas"]) == ("1", "0")
    assert "refresh_interval" not in settings
    assert mapping["dynamic"] == "strict"
    indexed = [name for name, kind in mapping["properties"].items() if kind.get("index", True)]
    assert indexed == ["duration"]


async def test_a_reset_leaves_one_fresh_index(store: Store) -> None:
    await store.reset([record() for _ in range(50)])
    await store.reset([record() for _ in range(20)])
    figures = ask(store, "/_stats/docs,flush,refresh")["_all"]["primaries"]
    assert (figures["docs"]["count"], figures["docs"]["deleted"]) == (20, 0)
    assert figures["flush"]["total"] == 1  # on disk


async def test_reads_at_once_what_a_search_sees_later(store: Store) -> None:
    await store.reset([])
    original = record()
    await store.create(CallTimes(), original)
    assert await store.read(CallTimes(), original.id) == original
    ask(store, "/_refresh", "POST")
    assert await store.find(CallTimes(), 0.0, 10) == [original]


async def test_updates_that_meet_all_count(store: Store) -> None:
    original = record()
    await store.reset([original])
    changed = [Record(original.id, f"{n}", NOON, float(n), []) for n in range(40)]
    assert all(await asyncio.gather(*(store.update(CallTimes(), record) for record in changed)))
    assert await store.read(CallTimes(), original.id) in changed


async def test_a_lost_index_is_no_missing_record_and_is_made_anew(store: Store) -> None:
    await store.reset([record()])
    await store.read(CallTimes(), record().id)
    for operate in (store.read, store.delete):
        ask(store, "", "DELETE")
        with pytest.raises(Unavailable, match="no such index"):
            await operate(CallTimes(), record().id)
        assert not await operate(CallTimes(), record().id)
