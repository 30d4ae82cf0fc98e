"""A proxy that injects a fault, and records when each request arrived and was responded to.

`python -m validation.proxy PORT FAULT PARAMETER...` writes the port that it listens on, forwards
everything to PORT until its stdin ends, and then writes its record as JSON, a list of
`ProxiedRequest`. It never stands still itself: the arrival of a request that is held is recorded
all the same.

Nothing is parsed but for the first line and the request id: a connection has one request at a time,
so bytes from the client are a new request once bytes of the last response have come.
"""

from __future__ import annotations

import asyncio
import sys
from time import perf_counter

import msgspec

from validation.faults import FAULTS, Fault

_ID_FIELD = b"\r\nX-Request-Id: "


class ProxiedRequest(msgspec.Struct, array_like=True):
    """A request: its first line, and when its first byte and the last one of its response came.

    The times are seconds of `time.perf_counter()`, on Linux the same clock in all processes.
    """

    line: str
    arrival_s: float
    request_id: str = ""
    response_s: float = 0.0
    """0 while there is no response."""


class Proxy:
    """The server's port, the fault to inject, and all requests so far."""

    def __init__(self, server_port: int, fault: Fault) -> None:
        self.server_port = server_port
        self.fault = fault
        self.requests: list[ProxiedRequest] = []
        self.start = perf_counter()


class ClientSide(asyncio.Protocol):
    """A client's connection to the proxy; each has one of its own to the server."""

    def __init__(self, proxy: Proxy) -> None:
        self.transport: asyncio.Transport
        self.request: ProxiedRequest | None = None
        self._proxy = proxy
        self._server: asyncio.Transport | None = None
        self._buffer: list[bytes] = []
        self._released = False
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._connecting = self._loop.create_task(self._connect())

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self._connecting.cancel()
        if self._server is not None:
            self._server.close()

    def data_received(self, data: bytes) -> None:
        self._buffer.append(data)
        if self.request is None or self.request.response_s:
            self._start_request(data)
        else:
            self._forward()

    async def _connect(self) -> None:
        address = ("127.0.0.1", self._proxy.server_port)
        try:
            self._server, _ = await self._loop.create_connection(lambda: ServerSide(self), *address)
        except OSError:
            self.transport.close()
        self._forward()

    def _start_request(self, data: bytes) -> None:
        now = perf_counter()
        self.request = ProxiedRequest(data.partition(b"\r\n")[0].decode("latin-1"), now)
        self._proxy.requests.append(self.request)
        hold_s = self._proxy.fault.hold(now - self._proxy.start)
        self._released = not hold_s
        if hold_s:
            self._loop.call_later(hold_s, self._release)
        self._forward()

    def _release(self) -> None:
        self._released = True
        self._forward()

    def _forward(self) -> None:
        if self._released and self._server is not None and self._buffer:
            self._server.write(b"".join(self._buffer))
            self._buffer.clear()


class ServerSide(asyncio.Protocol):
    """The proxy's connection to the server, for one client's connection."""

    def __init__(self, client: ClientSide) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.transport.write(data)
        request = self._client.request
        if request is not None:
            request.response_s = perf_counter()
            request.request_id = request.request_id or _request_id(data)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self._client.transport.close()


def _request_id(data: bytes) -> str:
    _, _, rest = data.partition(_ID_FIELD)
    return rest.partition(b"\r\n")[0].decode("latin-1")


async def main(port: int, fault: Fault) -> None:
    """Serve until stdin ends, then write all requests."""
    proxy = Proxy(port, fault)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: ClientSide(proxy), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    sys.stdout.buffer.write(msgspec.json.encode(proxy.requests))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), FAULTS[sys.argv[2]](*map(float, sys.argv[3:]))))
