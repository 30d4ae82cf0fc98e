"""What a store holds up while it waits, and what it keeps open."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from server.api.enums import Mode
from server.api.record import Record, new_id
from server.stores import Store
from server.stores.modes import CallTimes
from tests.engines.conftest import Opener, Remote
from tests.engines.test_conformance import NOON, record

LATENCY = 0.05
BEAT = 0.005


async def beats(during: Awaitable[Any]) -> int:
    """Return how many beats of 5 ms the loop found time for while it waited."""
    count = 0

    async def beat() -> None:
        nonlocal count
        while True:
            await asyncio.sleep(BEAT)
            count += 1

    heart = asyncio.create_task(beat())
    await asyncio.sleep(0)
    await during
    heart.cancel()
    return count


async def held_as_it_says(mode: Mode, call: Awaitable[Any], release: Callable[[], Any]) -> None:
    """Check that a call, which ends no sooner than `release` is called, holds the loop or not."""
    if mode is Mode.BLOCKING:
        timer = threading.Timer(LATENCY, release)
        timer.start()
        assert await beats(call) <= 2
        timer.join()
        return
    under_way = asyncio.ensure_future(call)
    for _ in range(10):
        await asyncio.sleep(BEAT)
    assert not under_way.done()
    release()
    await under_way


async def test_holds_the_loop_only_when_blocking(remote: Remote) -> None:
    store = remote.open(deadline=60)
    await store.read(CallTimes(), new_id())
    for _ in range(3):
        remote.proxy.hang()
        await held_as_it_says(store.mode, store.read(CallTimes(), new_id()), remote.proxy.resume)


def other_connection(store: Store) -> sqlite3.Connection:
    file = next(Path(store.address).glob(f"*{store.id.replace('/', '_')}.db"))
    return sqlite3.connect(file, isolation_level=None, check_same_thread=False)


@pytest.mark.parametrize("mode", Mode)
async def test_a_lock_holds_the_loop_only_when_blocking(opener: Opener, mode: Mode) -> None:
    default_store = opener(f"sqlite/{mode}/fast", deadline=60)
    original = record()
    await default_store.create(CallTimes(), original)
    for _ in range(3):
        connection = other_connection(default_store)
        connection.execute("BEGIN IMMEDIATE")
        update = default_store.update(CallTimes(), original)
        await held_as_it_says(mode, update, connection.rollback)
        connection.close()


def open_connections(store: Store) -> int:
    """Return how many connections this process has to the store's database.

    Each SQLite connection opens the log; the file itself it may close late, when no other locks it.
    """
    me = psutil.Process()
    if store.engine.service is not None and store.engine.service.name == "sqlite":
        name = store.id.replace("/", "_")
        return sum(file.path.endswith(f"{name}.db-wal") for file in me.open_files())
    port = urlsplit(store.address).port
    sockets = me.net_connections("tcp")
    return sum(1 for s in sockets if s.raddr and s.raddr.port == port and s.status == "ESTABLISHED")


async def at_most(count: int, store: Store) -> None:
    """Return once the store has at most `count` connections: some close in the background."""
    async with asyncio.timeout(10):
        while open_connections(store) > count:
            await asyncio.sleep(0.01)


def allowed(store: Store) -> int:
    """A client that is shared may watch its server on two connections more."""
    return store.connections + (2 if store.engine.shared else 0)


async def test_leaks_no_connection(default_store: Store) -> None:
    await at_most(0, default_store)  # what an earlier test closed
    for _ in range(20):
        await asyncio.gather(*(default_store.read(CallTimes(), new_id()) for _ in range(50)))
    assert default_store.engine.reference or open_connections(default_store) >= 1
    await at_most(allowed(default_store), default_store)
    await default_store.close()
    await at_most(0, default_store)


async def test_closes_when_unused_and_opens_again(default_store: Store) -> None:
    original = Record(new_id(), "kept", NOON, 1.0, [])
    await default_store.create(CallTimes(), original)
    loop = asyncio.get_running_loop()
    await default_store.close_unused(loop.time())
    assert default_store.engine.reference or open_connections(default_store) >= 1
    await default_store.close_unused(loop.time() + 61)
    await at_most(0, default_store)
    assert await default_store.read(CallTimes(), original.id) == original


async def test_cancelled_callers_leave_no_trace(default_store: Store) -> None:
    """Clients that go away in the middle of a call cost neither places nor connections."""
    await default_store.read(CallTimes(), new_id())
    for turns in range(60):
        call = asyncio.ensure_future(default_store.read(CallTimes(), new_id()))
        for _ in range(turns % 20):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])
    await asyncio.gather(*(default_store.read(CallTimes(), new_id()) for _ in range(20)))
    await at_most(allowed(default_store), default_store)
    await default_store.close()
    gc.collect()  # PyMongo leaves the socket of an attempt that is cancelled to it
    await at_most(0, default_store)
