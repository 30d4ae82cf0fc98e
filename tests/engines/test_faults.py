"""A database that is down, refuses, resets or hangs: said as such, and over when it is over."""

from __future__ import annotations

import asyncio

import pytest

from server.api.enums import Durability, Mode
from server.api.record import new_id
from server.errors import Busy, Unavailable
from server.stores import Store
from server.stores.modes import CallTimes
from tests.engines.conftest import Opener, Remote, answered
from tests.engines.test_conformance import read_when, record
from tests.engines.test_modes import other_connection

pytestmark = pytest.mark.timeout(60, func_only=True)  # setting up may start every server


async def recovered(store: Store) -> None:
    """Return once the store answers again, without having been opened anew."""
    await answered(lambda: store.read(CallTimes(), new_id()))


async def warm(store: Store) -> None:
    """Open every connection, which may take longer than a deadline that is to be met."""
    await recovered(store)

    async def opened() -> None:
        await asyncio.gather(*(store.read(CallTimes(), new_id()) for _ in range(store.connections)))

    await answered(opened)


async def unavailable(store: Store) -> None:
    with pytest.raises(Unavailable) as caught:
        await store.read(CallTimes(), new_id())
    assert caught.value.detail.startswith(store.engine.title)


async def test_a_killed_server_is_unavailable_until_it_is_back(remote: Remote) -> None:
    store = remote.open(deadline=1.0, connections=3)
    original = record()
    await warm(store)
    await remote.direct.create(CallTimes(), original)
    await read_when(remote.direct, original.id, original)
    remote.proxy.refuse()
    for _ in range(2):
        await unavailable(store)
    if store.durability is not Durability.UNACKED:
        with pytest.raises(Unavailable):
            await store.create(CallTimes(), record())
    assert await remote.direct.read(CallTimes(), original.id) == original  # others go on
    remote.proxy.accept()
    await recovered(store)
    assert await store.read(CallTimes(), original.id) == original


async def test_a_server_that_hangs_is_given_up(remote: Remote) -> None:
    store = remote.open(deadline=0.4, connections=2)
    await warm(store)
    remote.proxy.hang()
    calls = 1 if store.mode is Mode.BLOCKING else 6
    under_way = asyncio.gather(
        *(store.read(CallTimes(), new_id()) for _ in range(calls)), return_exceptions=True
    )
    assert await remote.direct.read(CallTimes(), new_id()) is None  # others go on
    failures = await under_way
    assert all(isinstance(failure, Unavailable) for failure in failures), failures
    if store.mode is not Mode.BLOCKING:
        busy = [failure for failure in failures if isinstance(failure, Busy)]
        assert 0 < len(busy) < calls
        assert busy[0].retry_after == 1
    remote.proxy.resume()
    await recovered(store)


async def test_a_server_that_hangs_cannot_be_connected_to(remote: Remote) -> None:
    store = remote.open(deadline=0.4)
    remote.proxy.hang()
    await unavailable(store)
    remote.proxy.resume()
    await recovered(store)


async def test_a_server_that_is_not_there_is_unavailable(remote: Remote) -> None:
    store = remote.open(deadline=1.0)
    remote.proxy.refuse()
    await unavailable(store)
    with pytest.raises(Unavailable):
        await store.probe(asyncio.Event())
    with pytest.raises(Unavailable):
        await store.reset([record()])
    remote.proxy.accept()
    await recovered(store)


async def test_a_dropped_connection_costs_one_answer_at_most(remote: Remote) -> None:
    """One client finds out, and all idle connections are made anew: no long tail of 503s."""
    store = remote.open(deadline=2.0, connections=3)
    await warm(store)
    remote.proxy.refuse()
    remote.proxy.accept()
    outcomes = []
    for _ in range(6):
        try:
            await store.read(CallTimes(), new_id())
        except Unavailable as problem:
            outcomes.append(problem)
    assert len(outcomes) <= 1


@pytest.mark.parametrize("mode", Mode)
async def test_a_locked_file_is_unavailable_until_it_is_free(opener: Opener, mode: Mode) -> None:
    original = record()
    await opener(f"sqlite/{mode}/fast").create(CallTimes(), original)  # may make the file
    store = opener(f"sqlite/{mode}/fast", deadline=0.3)
    await recovered(store)
    connection = other_connection(store)
    connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable):
        await store.update(CallTimes(), original)
    assert await answered(lambda: store.read(CallTimes(), original.id)) == original  # readers go on
    connection.rollback()
    connection.close()
    assert await answered(lambda: store.update(CallTimes(), original)) is True
