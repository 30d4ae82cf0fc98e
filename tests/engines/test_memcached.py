"""What is memcached's own: keys that only a crawler lists, and a driver that needs watching."""

from __future__ import annotations

import asyncio
import socket
import threading
from urllib.parse import urlsplit

import pytest

from server.api.record import new_id
from server.engines._memcached import replace
from server.errors import Unavailable
from server.stores import Store
from server.stores.modes import CallTimes
from tests.engines.conftest import Opener, answered
from tests.engines.proxy import proxied
from tests.engines.test_conformance import record
from tests.engines.test_faults import recovered

pytestmark = pytest.mark.stores("memcached-*")


def ask(store: Store, command: bytes) -> bytes:
    url = urlsplit(store.address)
    with socket.create_connection((url.hostname, url.port)) as client:
        client.sendall(command + b"\r\n")
        return client.recv(4096)


async def test_leaves_other_keys_alone(store: Store) -> None:
    foreign = f"windtunnel-test-{new_id()}".encode()
    assert ask(store, b"set %b 0 60 4\r\nkept" % foreign) == b"STORED\r\n"
    await store.reset([record() for _ in range(600)])
    await store.reset([])
    assert b"kept" in ask(store, b"get %b" % foreign)
    ask(store, b"delete %b" % foreign)


async def test_resets_side_by_side_take_turns(store: Store) -> None:
    """The server lists its keys to one client at a time, and tells the others that it is busy."""
    url = urlsplit(store.address)
    host = (url.hostname or "", url.port or 0)
    prefix = new_id().encode()
    values = {b"%b:%d" % (prefix, n): b"x" * 100 for n in range(2000)}
    replace(host, prefix, values, 10.0)
    failures: list[BaseException] = []

    def again() -> None:
        try:
            for _ in range(20):
                replace(host, b"%b-" % prefix, {}, 10.0)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=again) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    replace(host, prefix, {}, 10.0)
    assert not failures


@pytest.mark.timeout(20, func_only=True)
async def test_a_closed_connection_ends_the_call(store: Store, opener: Opener) -> None:
    """A server that goes away in the middle: the end of file is an error, not a busy loop."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    broken = opener(store.id, deadline=0.5, url=f"memcached://127.0.0.1:{port}")
    with pytest.raises(Unavailable):
        await broken.delete(CallTimes(), new_id())
    with pytest.raises(Unavailable):
        await broken.read(CallTimes(), new_id())
    await broken.close()
    server.close()
    await server.wait_closed()


async def test_a_late_answer_reaches_nobody_else(store: Store, opener: Opener) -> None:
    """A call that was given up must not leave its answer to the next."""
    first, second = record("one"), record("two")
    await store.reset([first, second])
    with proxied(store.address) as proxy:
        remote = opener(store.id, deadline=0.3, connections=1, url=proxy.url(store.address))
        await recovered(remote)
        proxy.hang()
        with pytest.raises(Unavailable):
            await remote.read(CallTimes(), first.id)
        proxy.resume()
        assert await answered(lambda: remote.read(CallTimes(), second.id)) == second
        await remote.close()
