"""The listener: accepts connections, and drains without dropping an accepted request.

How it drains, and what remains:
1. New connections are refused in the kernel first (a unix socket loses its path), then those in
   its queue are accepted, then the listening socket is closed: a connection that was established
   is served.
2. Every answer from then on says `Connection: close`; connections stay open until the client
   closes them, or has sent nothing for `LINGER` seconds.
3. Requests under way, uploads among them, are finished, for `timeout` seconds at most.
What HTTP/1.1 leaves open: a client that first sends on an idle connection at the very moment at
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
    """An HTTPServer that tracks which of its connections wait for a request."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        """Take HTTPServer's arguments."""
        super().initialize(*args, **kwargs)
        self._requests: dict[object, HTTPMessageDelegate] = {}
        self._listening_sockets: list[socket.socket] = []
        self._connection_closed = asyncio.Event()

    def count_connections(self) -> int:
        """Return how many connections are open."""
        return len(self._requests)

    def add_sockets(self, sockets: Any) -> None:
        """Listen on `sockets`."""
        self._listening_sockets += sockets
        super().add_sockets(sockets)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> Any:
        """Wait for the next request of a connection."""
        delegate = self._requests[server_conn] = super().start_request(server_conn, request_conn)
        return delegate

    def on_close(self, server_conn: object) -> None:
        """Forget a connection."""
        super().on_close(server_conn)
        self._requests.pop(server_conn, None)
        self._connection_closed.set()

    async def drain(self, timeout: float) -> int:
        """Stop as the module says; return how many connections were cut off."""
        self._accept_queue()
        self.stop()
        deadline = monotonic() + timeout
        quiet_since: dict[HTTPMessageDelegate, float] = {}
        while self._requests and monotonic() < deadline:
            self._close_quiet(quiet_since)
            self._connection_closed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._connection_closed.wait(), TICK)
        count = len(self._requests)
        await self.close_all_connections()
        return count

    def _accept_queue(self) -> None:
        for listening in self._listening_sockets:
            refuse_new_connections(listening)
            with contextlib.suppress(BlockingIOError):
                while True:
                    connection, address = listening.accept()
                    self.handle_stream(IOStream(connection), address)

    def _close_quiet(self, quiet_since: dict[HTTPMessageDelegate, float]) -> None:
        now = monotonic()
        for connection, request in list(self._requests.items()):
            waits_for_headers = getattr(request, "delegate", None) is None
            stream = cast("HTTP1ServerConnection", connection).stream
            quiet_s = now - quiet_since.setdefault(request, now)
            if waits_for_headers and quiet_s > LINGER and not has_unread_data(stream.socket):
                stream.close()


def has_unread_data(connection: socket.socket | None) -> bool:
    """Return whether data has arrived on a connection that has not been read."""
    if connection is None:
        return False
    try:
        return bool(connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except OSError:
        return False


def bind_unix(path: Path) -> socket.socket:
    """Listen on a unix socket, replacing one that no process listens on. Raises OSError."""
    if path.exists() and not path.is_socket():
        raise FileExistsError(errno.EEXIST, "it is a file, and no socket")
    if path.is_socket() and _is_listened_on(path):
        raise OSError(errno.EADDRINUSE, "another process listens there")
    return bind_unix_socket(str(path))


def _is_listened_on(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        return client.connect_ex(str(path)) != errno.ECONNREFUSED


def refuse_new_connections(listening: socket.socket) -> None:
    """Let the kernel drop new connections to a listening socket; those in its queue stay.

    A socket filter of one instruction, "return 0" (Linux, no privileges needed). Without it a
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
