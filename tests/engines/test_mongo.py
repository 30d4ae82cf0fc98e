"""What is MongoDB's own: what each write concern waits for, and what is sent for an operation."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from server.api.enums import Mode
from server.api.record import Change
from server.errors import Unavailable
from server.stores import Store
from server.stores.modes import CallTimes
from tests.engines.conftest import Opener
from tests.engines.proxy import proxied
from tests.engines.test_conformance import record
from tests.engines.test_faults import recovered


@contextmanager
def database(store: Store) -> Iterator[Database[Any]]:
    with MongoClient[Any](store.address) as client:
        yield client.get_default_database("windtunnel")


@pytest.mark.stores("mongo-*/*/unacked", "mongo-*/*/fast")
async def test_waits_for_an_answer_unless_unacked(store: Store, opener: Opener) -> None:
    await store.read(CallTimes(), record().id)  # imports the driver, which may take long
    with proxied(store.address) as proxy:
        remote = opener(store.id, deadline=1.0, connections=2, url=proxy.url(store.address))
        await recovered(remote)
        proxy.hang()
        if store.durability == "unacked":
            await remote.create(CallTimes(), record())
        else:
            with pytest.raises(Unavailable):
                await remote.create(CallTimes(), record())
        proxy.resume()
        await remote.close()


def log_syncs(store: Store) -> int:
    with database(store) as profile:
        log = profile.client.admin.command("serverStatus")["wiredTiger"]["log"]
    return int(log["log sync operations"])


@pytest.mark.stores("mongo-*/*/safe")
async def test_a_safe_write_waits_for_the_journal(store: Store) -> None:
    writes = 20
    before = log_syncs(store)
    for _ in range(writes):
        await store.create(CallTimes(), record())
    assert log_syncs(store) - before >= writes


@pytest.mark.stores("mongo-*/*/fast")
async def test_makes_the_round_trips_of_its_ledger(store: Store) -> None:
    """The server's profiler counts what reaches it; getMore would be a find's second trip."""
    original = record()
    await store.reset([record() for _ in range(300)])
    await store.seed_summary(100)
    with database(store) as profile:
        profile.drop_collection("system.profile")
        profile.command("profile", 2)
        try:
            await store.create(CallTimes(), original)
            await store.read(CallTimes(), original.id)
            await store.edit(CallTimes(), original.id, Change(duration=2.0))
            await store.find(CallTimes(), 0.0, 200)
            await store.summary(CallTimes())
            await store.delete(CallTimes(), original.id)
        finally:
            profile.command("profile", 0)
        filter_ = {"ns": {"$regex": f"\\.{store.new_engine(1).collection}"}}
        counts = Counter(
            next(iter(op["command"])) if op["op"] == "command" else op["op"]
            for op in profile["system.profile"].find(filter_)
        )
    assert counts == {"insert": 1, "query": 3, "update": 1, "aggregate": 1, "remove": 1}


@pytest.mark.stores("mongo-engine/*/fast")
async def test_mappers_forget_the_classes_of_closed_stores(store: Store) -> None:
    """MongoEngine and Beanie keep registries; a class for each opening must not pile up there."""
    rounds = []
    for _ in range(5):
        engine = store.new_engine(1)
        if store.mode is Mode.ASYNC:
            db = await engine.aconnect()
            rounds.append(weakref.ref(db.documents._record))
            await engine.aclose(db)
        else:
            db = engine.connect()
            rounds.append(weakref.ref(db.documents._record))
            engine.close(db)
        del db
    gc.collect()
    assert sum(reference() is not None for reference in rounds) <= 1  # the last of that name
