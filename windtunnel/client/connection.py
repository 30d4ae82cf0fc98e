"""One connection on gevent: it waits for its socket until its deadline.

The descriptor is watched once for the life of the connection, all connections receive into one
buffer, and a parser is borrowed only while a response comes in: an idle connection is small.
"""

from __future__ import annotations

import errno
import os
from _socket import socket
from socket import IPPROTO_TCP, SO_ERROR, SOCK_STREAM, SOL_SOCKET, TCP_NODELAY
from typing import Any, Final

from gevent import get_hub, getcurrent

from windtunnel.client.address import Address
from windtunnel.client.response import CLOSED, MALFORMED, STALE, Reader, ResponseError

_READ: Final = 1
_WRITE: Final = 2
_EXPIRED: Final = 0

_BACKLOG_RETRY: Final = 0.002
"""Seconds until a unix socket whose queue is full is tried again: it cannot be waited for."""

_buffer: Final = memoryview(bytearray(64 * 1024))
"""Received bytes stay in here only until they are copied, before another greenlet can run."""

_IDLE_TIMEOUT_HEAD: Final = b"HTTP/1.1 408 "
"""The only response a server may send without a request, before it closes (RFC 9110, 15.5.9)."""


class Connection:
    """A socket on which one request at a time is sent and its response received.

    `connect` must be called first; `reused` is set once it has carried a response.
    """

    __slots__ = ("_greenlet", "_hub", "_reading", "_socket", "reused")

    def __init__(self, family: int) -> None:
        self._socket = socket(family, SOCK_STREAM)
        self._socket.setblocking(False)
        self._hub = get_hub()
        self._reading: Any = self._hub.loop.io(self._socket.fileno(), _READ)
        self._greenlet: Any = None
        self.reused = False

    def connect(self, address: Address) -> None:
        """Connect; raises OSError."""
        if not address.is_unix:
            self._socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        status = self._socket.connect_ex(address.sockaddr)
        while status == errno.EAGAIN:
            self._wait_with(self._hub.loop.timer(_BACKLOG_RETRY))
            status = self._socket.connect_ex(address.sockaddr)
        if status == errno.EINPROGRESS:
            self._wait_writable()
            status = self._socket.getsockopt(SOL_SOCKET, SO_ERROR)
        if status:
            raise OSError(status, os.strerror(status))
        if not address.is_unix and self._socket.getsockname() == self._socket.getpeername():
            raise ConnectionRefusedError  # nobody listens: it connected to itself

    def send(self, message: bytes) -> bool:
        """Send all, or as much as the server takes before it responds; return whether all."""
        if not self._reading.active:
            if self.reused:
                self._check_idle_input()
            self._reading.start(self._readable)
        try:
            sent = self._socket.send(message)
            return sent == len(message) or self._send_rest(memoryview(message)[sent:])
        except BlockingIOError:
            return self._send_rest(memoryview(message))
        except (BrokenPipeError, ConnectionResetError):
            return False  # it may have responded before it closed

    def receive(self, limit: int) -> Reader:
        """Wait for a response of at most `limit` bytes; raises OSError or ResponseError."""
        reader: Reader | None = None
        receive = self._socket.recv_into
        while True:
            self._wait()
            try:
                size = receive(_buffer)
            except BlockingIOError:
                continue
            except ConnectionError:
                if reader is None and self.reused:
                    raise ResponseError(STALE) from None
                raise
            if reader is None:
                if not size:
                    raise ResponseError(STALE if self.reused else CLOSED)
                reader = Reader.acquire(limit)
            if size:
                reader.feed(bytes(_buffer[:size]))
            else:
                reader.end()
            if reader.complete:
                return reader

    def interrupt(self) -> None:
        """Let the greenlet that waits raise TimeoutError; called from the hub."""
        if self._greenlet is not None:
            self._greenlet.switch(_EXPIRED)

    def close(self) -> None:
        """Close the socket."""
        self._reading.stop()
        self._reading.close()
        self._socket.close()

    # -- waiting ----------------------------------------------------------------------------

    def _wait(self) -> int:
        self._greenlet = getcurrent()
        try:
            event: int = self._hub.switch()
        finally:
            self._greenlet = None
        if event == _EXPIRED:
            raise TimeoutError
        return event

    def _wait_with(self, watcher: Any) -> int:
        watcher.start(self._writable)
        try:
            return self._wait()
        finally:
            watcher.stop()
            watcher.close()

    def _wait_writable(self) -> int:
        return self._wait_with(self._hub.loop.io(self._socket.fileno(), _WRITE))

    def _readable(self) -> None:
        if self._greenlet is None:
            self._reading.stop()  # no request: the next one will see why
        else:
            self._greenlet.switch(_READ)

    def _writable(self) -> None:
        self._greenlet.switch(_WRITE)

    # -- parts ------------------------------------------------------------------------------

    def _check_idle_input(self) -> None:
        """Read what came while idle; raises ResponseError unless it was a false alarm."""
        try:
            size = self._socket.recv_into(_buffer)
        except BlockingIOError:
            return
        except ConnectionError:
            size = 0
        data = bytes(_buffer[:size])
        is_closed = not data or data.startswith(_IDLE_TIMEOUT_HEAD)
        raise ResponseError(STALE if is_closed else MALFORMED)

    def _send_rest(self, rest: memoryview) -> bool:
        while rest:
            if self._wait_writable() == _READ:
                return False
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                return False
        return True
