"""A proxy that does harm, and remembers when each request came and when it was answered.

`python -m validation.proxy PORT HARM NUMBER...` writes the port that it listens on, passes all
on to PORT until its stdin ends, and then writes what it saw as JSON, a list of `ProxiedRequest`. It
never stands still itself: a request that is held has its arrival noted all the same.

Nothing is parsed but for the first line and the request id: on a connection there is one request
at a time, so bytes from the client are a new request once bytes of the last answer have come.
"""

from __future__ import annotations

import asyncio
import sys
from time import perf_counter

import msgspec

from validation.faults import HARMS, Harm

_ID = b"\r\nX-Request-Id: "


class ProxiedRequest(msgspec.Struct, array_like=True):
    """A request: first line, id, first byte seen and last byte of the answer passed on.

    The times are seconds of `time.perf_counter()`, on Linux the same clock in all processes.
    """

    line: str
    arrived: float
    request_id: str = ""
    answered: float = 0.0


class Proxy:
    """Where to pass requests on to, what harm to do, and what was seen."""

    def __init__(self, port: int, harm: Harm) -> None:
        self.port = port
        self.harm = harm
        self.seen: list[ProxiedRequest] = []
        self.began = perf_counter()


class Front(asyncio.Protocol):
    """A connection of a client's; it has one of its own to the server."""

    def __init__(self, proxy: Proxy) -> None:
        self.transport: asyncio.Transport
        self.request: ProxiedRequest | None = None
        self._proxy = proxy
        self._back: asyncio.Transport | None = None
        self._held: list[bytes] = []
        self._free = False
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._connecting = self._loop.create_task(self._connect())

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self._connecting.cancel()
        if self._back is not None:
            self._back.close()

    def data_received(self, data: bytes) -> None:
        self._held.append(data)
        if self.request is None or self.request.answered:
            self._begin(data)
        else:
            self._pass_on()

    async def _connect(self) -> None:
        address = ("127.0.0.1", self._proxy.port)
        try:
            self._back, _ = await self._loop.create_connection(lambda: Back(self), *address)
        except OSError:
            self.transport.close()
        self._pass_on()

    def _begin(self, data: bytes) -> None:
        now = perf_counter()
        self.request = ProxiedRequest(data.partition(b"\r\n")[0].decode("latin-1"), now)
        self._proxy.seen.append(self.request)
        hold = self._proxy.harm.hold(now - self._proxy.began)
        self._free = not hold
        if hold:
            self._loop.call_later(hold, self._let_go)
        self._pass_on()

    def _let_go(self) -> None:
        self._free = True
        self._pass_on()

    def _pass_on(self) -> None:
        if self._free and self._back is not None and self._held:
            self._back.write(b"".join(self._held))
            self._held.clear()


class Back(asyncio.Protocol):
    """The connection to the server."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def data_received(self, data: bytes) -> None:
        self._front.transport.write(data)
        request = self._front.request
        if request is not None:
            request.answered = perf_counter()
            request.request_id = request.request_id or _id(data)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self._front.transport.close()


def _id(data: bytes) -> str:
    _, _, rest = data.partition(_ID)
    return rest.partition(b"\r\n")[0].decode("latin-1")


async def main(port: int, harm: Harm) -> None:
    """Serve until stdin ends, and say what was seen."""
    proxy = Proxy(port, harm)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Front(proxy), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    sys.stdout.buffer.write(msgspec.json.encode(proxy.seen))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), HARMS[sys.argv[2]](*map(float, sys.argv[3:]))))
