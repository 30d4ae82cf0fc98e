"""What is Valkey's own: a promise that a whole server keeps, and keys beside other people's."""

from __future__ import annotations

import pytest
from redis import Redis

from server.api.record import new_id
from server.errors import Unavailable
from server.stores import Store
from server.stores.modes import CallTimes
from tests.engines.conftest import Opener
from tests.engines.test_conformance import record

pytestmark = pytest.mark.stores("redis/*/safe")


@pytest.mark.parametrize("durability", ["volatile", "fast"])
async def test_refuses_a_server_that_promises_less(
    store: Store, opener: Opener, durability: str
) -> None:
    lesser = opener(f"redis/{store.mode}/{durability}")
    deceived = opener(store.id, url=lesser.address)
    with pytest.raises(Unavailable, match="appendfsync always"):
        await deceived.create(CallTimes(), record())


async def test_leaves_other_keys_alone(store: Store) -> None:
    foreign = f"windtunnel-test-{new_id()}"
    with Redis.from_url(store.address, decode_responses=True) as client:
        client.set(foreign, "kept", ex=60)
        await store.reset([record()])
        await store.reset([])
        assert client.get(foreign) == "kept"
        client.delete(foreign)


async def test_asks_once_for_each_operation(store: Store) -> None:
    """No retries, no handshakes between: the server counts the commands."""
    original = record()
    await store.create(CallTimes(), original)
    with Redis.from_url(store.address, decode_responses=True) as client:
        client.ping()  # connects
        client.config_resetstat()
        await store.update(CallTimes(), original)
        await store.read(CallTimes(), original.id)
        await store.delete(CallTimes(), original.id)
        calls = {name: stats["calls"] for name, stats in client.info("commandstats").items()}
    ours = {name: count for name, count in calls.items() if name[8:] in ("set", "get", "del")}
    extra = set(calls) - set(ours)
    assert ours == {"cmdstat_set": 1, "cmdstat_get": 1, "cmdstat_del": 1}
    assert not {"cmdstat_hello", "cmdstat_ping"} & extra  # no new connection, no health check
