"""One connection on gevent: it waits for its socket, for no longer than it is told to.

The descriptor is watched once for the life of the connection, all connections receive into one
buffer, and a parser is borrowed only while an answer is under way: an idle connection is small.
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

_BACKLOG_FULL: Final = 0.002
"""Seconds until a unix socket whose queue is full is tried again: it cannot be waited for."""

_buffer: Final = memoryview(bytearray(64 * 1024))
"""What is received stays in here only until it is copied, before anyone else can run."""

_UNASKED: Final = b"HTTP/1.1 408 "
"""The one answer that a server may send to nobody, before it closes (RFC 9110, 15.5.9)."""


class Connection:
    """`reused` says that it has carried an answer; `connect` must be called before the rest."""

    __slots__ = ("_greenlet", "_hub", "_reading", "_socket", "reused")

    def __init__(self, family: int) -> None:
        self._socket = socket(family, SOCK_STREAM)
        self._socket.setblocking(False)
        self._hub = get_hub()
        self._reading: Any = self._hub.loop.io(self._socket.fileno(), _READ)
        self._greenlet: Any = None
        self.reused = False

    def connect(self, target: Address) -> None:
        """Connect; raises OSError."""
        if not target.local:
            self._socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        status = self._socket.connect_ex(target.address)
        while status == errno.EAGAIN:
            self._wait_with(self._hub.loop.timer(_BACKLOG_FULL))
            status = self._socket.connect_ex(target.address)
        if status == errno.EINPROGRESS:
            self._wait_writable()
            status = self._socket.getsockopt(SOL_SOCKET, SO_ERROR)
        if status:
            raise OSError(status, os.strerror(status))
        if not target.local and self._socket.getsockname() == self._socket.getpeername():
            raise ConnectionRefusedError  # nobody listens: it met itself

    def send(self, message: bytes) -> bool:
        """Send all, or as much as the server takes before it answers; return whether all."""
        if not self._reading.active:
            if self.reused:
                self._look()
            self._reading.start(self._readable)
        try:
            sent = self._socket.send(message)
            return sent == len(message) or self._send_rest(memoryview(message)[sent:])
        except BlockingIOError:
            return self._send_rest(memoryview(message))
        except (BrokenPipeError, ConnectionResetError):
            return False  # it may have answered before it closed

    def receive(self, limit: int) -> Reader:
        """Wait for an answer of at most `limit` bytes; raises OSError or ResponseError."""
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
                reader = Reader.borrow(limit)
            if size:
                reader.feed(bytes(_buffer[:size]))
            else:
                reader.end()
            if reader.complete:
                return reader

    def interrupt(self) -> None:
        """Let what waits raise TimeoutError; called from the hub."""
        if self._greenlet is not None:
            self._greenlet.switch(_EXPIRED)

    def close(self) -> None:
        """Close it."""
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
            self._reading.stop()  # nobody asked: the next request will see why
        else:
            self._greenlet.switch(_READ)

    def _writable(self) -> None:
        self._greenlet.switch(_WRITE)

    # -- parts ------------------------------------------------------------------------------

    def _look(self) -> None:
        """See what came while nobody waited; raises ResponseError unless it was a false alarm."""
        try:
            size = self._socket.recv_into(_buffer)
        except BlockingIOError:
            return
        except ConnectionError:
            size = 0
        came = bytes(_buffer[:size])
        gone = not came or came.startswith(_UNASKED)
        raise ResponseError(STALE if gone else MALFORMED)

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
