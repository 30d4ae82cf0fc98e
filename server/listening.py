"""The listening end: takes connections, and stops without dropping a request it has accepted.

How it drains, and what remains:
1. New connections are refused in the kernel first (a unix socket loses its path), then what waits
   in its queue is accepted, then the listening socket is closed: a connection that was established
   is served.
2. Every answer from then on says `Connection: close`; connections stay open until the client
   closes them, or has sent nothing for `LINGER` seconds.
3. Requests under way, uploads among them, are finished, for `patience` seconds at most.
What HTTP/1.1 leaves open: a client that first sends on an idle connection in the very moment in
which we close it finds it closed and has to send again, as after any keep-alive time-out.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import socket
import struct
import sys
from pathlib import Path
from time import monotonic
from typing import Any, cast

from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPMessageDelegate
from tornado.iostream import IOStream
from tornado.netutil import bind_unix_socket

LINGER = 1.0
"""Seconds without a request after which an idle connection is closed while draining."""

TICK = 0.05

_SO_ATTACH_FILTER = 26


class Listener(HTTPServer):
    """An HTTPServer that knows which of its connections wait for a request."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        """Take what HTTPServer takes."""
        super().initialize(*args, **kwargs)
        self._requests: dict[object, HTTPMessageDelegate] = {}
        self._listening: list[socket.socket] = []
        self._closed = asyncio.Event()

    def connected(self) -> int:
        """How many connections are open."""
        return len(self._requests)

    def add_sockets(self, sockets: Any) -> None:
        """Listen on `sockets`."""
        self._listening += sockets
        super().add_sockets(sockets)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> Any:
        """Wait for the next request of a connection."""
        delegate = self._requests[server_conn] = super().start_request(server_conn, request_conn)
        return delegate

    def on_close(self, server_conn: object) -> None:
        """Forget a connection."""
        super().on_close(server_conn)
        self._requests.pop(server_conn, None)
        self._closed.set()

    async def drain(self, patience: float) -> int:
        """Stop as the module says; return how many requests were cut off."""
        self._accept_what_waits()
        self.stop()
        latest = monotonic() + patience
        quiet: dict[HTTPMessageDelegate, float] = {}
        while self._requests and monotonic() < latest:
            self._close_quiet(quiet)
            self._closed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), TICK)
        left = len(self._requests)
        await self.close_all_connections()
        return left

    def _accept_what_waits(self) -> None:
        for listening in self._listening:
            refuse_new(listening)
            with contextlib.suppress(BlockingIOError):
                while True:
                    connection, address = listening.accept()
                    self.handle_stream(IOStream(connection), address)

    def _close_quiet(self, quiet: dict[HTTPMessageDelegate, float]) -> None:
        now = monotonic()
        for connection, request in list(self._requests.items()):
            waits_for_headers = getattr(request, "delegate", None) is None
            stream = cast("HTTP1ServerConnection", connection).stream
            since = quiet.setdefault(request, now)
            if waits_for_headers and now - since > LINGER and not readable(stream.socket):
                stream.close()


def readable(connection: socket.socket | None) -> bool:
    """Return whether something has arrived that nobody has read."""
    if connection is None:
        return False
    try:
        return bool(connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except OSError:
        return False


def at_path(path: Path) -> socket.socket:
    """Listen on a unix socket; one that nobody listens on any more is replaced. Raises OSError."""
    if path.exists() and not path.is_socket():
        raise FileExistsError(errno.EEXIST, "it is a file, and no socket")
    if path.is_socket() and _answered(path):
        raise OSError(errno.EADDRINUSE, "somebody listens there")
    return bind_unix_socket(str(path))


def _answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
        return knocking.connect_ex(str(path)) != errno.ECONNREFUSED


def refuse_new(listening: socket.socket) -> None:
    """Let the kernel drop what knocks at a listening socket; what is in its queue stays.

    A socket filter of one instruction, "return 0" (Linux, no rights needed). Without it a
    connection can come in between the last accept and the close, and would be reset.
    """
    if listening.family == socket.AF_UNIX:
        Path(listening.getsockname()).unlink(missing_ok=True)
    if sys.platform != "linux":
        return
    instruction = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
    program = struct.pack("@HP", 1, ctypes.addressof(instruction))
    with contextlib.suppress(OSError):
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
