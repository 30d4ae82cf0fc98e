"""Each durability is really in force: the server is asked, or the session that writes."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from server.api.enums import Durability, Mode
from server.engines.base import Engine, Op
from server.stores import Store
from server.stores.modes import CallTimes, adrive, drive
from tests.engines.conftest import PATIENCE
from tests.engines.test_conformance import record

VOLATILE, UNACKED = Durability.VOLATILE, Durability.UNACKED
FAST, SAFE = Durability.FAST, Durability.SAFE


async def in_session(store: Store, operate: Callable[[Engine, Any], Op[Any]]) -> Any:
    """Return what an operation answers on a connection as the store makes them."""
    engine = store.new_engine(1)
    if store.mode is Mode.ASYNC:
        db = await engine.aconnect()
        try:
            await adrive(engine.prepare(db))
            return await adrive(operate(engine, db))
        finally:
            await engine.aclose(db)
    db = engine.connect()
    try:
        drive(engine.prepare(db))
        return drive(operate(engine, db))
    finally:
        engine.close(db)


async def sqlite(store: Store) -> object:
    def ask(_: Engine, db: Any) -> Op[Any]:
        ((journal,),) = yield db.execute_fetchall("PRAGMA journal_mode")
        ((synchronous,),) = yield db.execute_fetchall("PRAGMA synchronous")
        return journal, synchronous

    return await in_session(store, ask)


async def postgres(store: Store) -> object:
    def ask(engine: Engine, db: Any) -> Op[Any]:
        row = yield db.fetchrow(
            "SELECT current_setting('synchronous_commit'), current_setting('fsync'),"
            " (SELECT string_agg(relpersistence::text, '') FROM pg_class WHERE oid IN"
            f" ('{engine.collection}'::regclass, '{engine.collection}_pkey'::regclass))"
        )
        return tuple(row)

    return await in_session(store, ask)


async def mysql(store: Store) -> object:
    def ask(_: Engine, db: Any) -> Op[Any]:
        return (yield db.row("SELECT @@innodb_flush_log_at_trx_commit, @@innodb_doublewrite"))

    return await in_session(store, ask)


async def mongo(store: Store) -> object:
    """What the server's profiler says that a write asked for."""
    from pymongo import MongoClient

    with MongoClient[Any](store.address) as client:
        database = client.get_default_database("windtunnel")
        profile = database["system.profile"]
        writes = {
            "ns": f"{database.name}.{store.new_engine(1).collection}",
            "op": {"$in": ["insert", "update"]},
        }
        database.command("profile", 2)
        try:
            before = profile.count_documents(writes)
            await store.create(CallTimes(), record())
            async with asyncio.timeout(PATIENCE):  # one that is not acknowledged comes later
                while profile.count_documents(writes) == before:
                    await asyncio.sleep(0.01)
        finally:
            database.command("profile", 0)
        (entry,) = profile.find(writes).sort("ts", -1).limit(1)
        concern = entry["command"]["writeConcern"]
        return concern["w"], concern.get("j", False)


async def redis(store: Store) -> object:
    from redis import Redis

    with Redis.from_url(store.address, decode_responses=True) as client:
        settings = client.config_get("append*")
        snapshots = client.config_get("save")["save"]
    fsync = settings["appendfsync"] if settings["appendonly"] == "yes" else None
    return fsync, snapshots


async def memcached(store: Store) -> object:
    """A memory file would outlive the process."""
    url = urlsplit(store.address)
    with socket.create_connection((url.hostname, url.port)) as client:
        client.sendall(b"stats settings\r\n")
        with client.makefile("rb") as answer:
            lines = iter(answer.readline, b"END\r\n")
            settings = dict(line.decode().split()[1:3] for line in lines)
    return settings.get("memory_file", "(null)")


async def elasticsearch(store: Store) -> object:
    index = store.new_engine(1).collection
    await store.read(CallTimes(), record().id)  # makes the index
    with urlopen(f"{store.address}/{index}/_settings") as answer:
        settings = json.load(answer)
    return settings[index]["settings"]["index"]["translog"]["durability"]


async def rethinkdb(store: Store) -> object:
    def ask(engine: Engine, db: Any) -> Op[Any]:
        from rethinkdb import r

        return (yield r.table(engine.collection).config()["durability"].run(db))

    return await in_session(store, ask)


async def memory(_: Store) -> object:
    return None


PROOFS: dict[str, tuple[Callable[[Store], Awaitable[object]], dict[Durability, object]]] = {
    "memory": (memory, {VOLATILE: None}),
    "sqlite": (sqlite, {FAST: ("wal", 1), SAFE: ("wal", 2)}),
    "postgres": (
        postgres,
        {VOLATILE: ("off", "on", "uu"), FAST: ("off", "on", "pp"), SAFE: ("on", "on", "pp")},
    ),
    "mysql": (mysql, {FAST: (2, 1), SAFE: (1, 1)}),
    "mongo": (mongo, {UNACKED: (0, False), FAST: (1, False), SAFE: (1, True)}),
    "redis": (redis, {VOLATILE: (None, ""), FAST: ("everysec", ""), SAFE: ("always", "")}),
    "memcached": (memcached, {VOLATILE: "(null)"}),
    "elasticsearch": (elasticsearch, {FAST: "async", SAFE: "request"}),
    "rethinkdb": (rethinkdb, {FAST: "soft", SAFE: "hard"}),
}


async def test_durability_is_in_force(store: Store) -> None:
    service = store.engine.service
    proof, expected = PROOFS[service.name if service else store.engine.name]
    assert await proof(store) == expected[store.durability]
