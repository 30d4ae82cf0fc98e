"""A lean HTTP/1.1 client on gevent: one connection, no retry, every failure named.

It costs a fraction of what a general client costs: the descriptor is watched once for the life of
the connection, the head is one formatted string, header fields are parsed when somebody asks, and
all deadlines share one timer.
"""

from __future__ import annotations

import errno
from _socket import socket
from socket import (
    AF_INET,
    IPPROTO_TCP,
    SO_ERROR,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_NODELAY,
    getaddrinfo,
)
from time import perf_counter
from typing import Any, Final
from urllib.parse import urlsplit

from gevent import get_hub, getcurrent

from bench.answer import (
    CLOSED,
    MALFORMED,
    OK,
    REFUSED,
    RESET,
    STALE,
    TIMEOUT,
    Answer,
    AnswerError,
    Reader,
)
from bench.deadlines import Deadlines

MAX_ANSWER: Final = 16 * 1024 * 1024
"""Bytes from which on an answer counts as oversize."""

_RECEIVE: Final = 16 * 1024
_READ: Final = 1
_WRITE: Final = 2


class Target:
    """Where requests go: an `http://host[:port]` address, resolved once.

    Raises ValueError for anything else, OSError for a name that does not resolve.
    """

    __slots__ = ("address", "authority", "family", "url")

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError(f"{url!r} is not an address like http://127.0.0.1:10001")
        self.url = url.rstrip("/")
        self.authority = parts.netloc
        found = getaddrinfo(parts.hostname, parts.port or 80, type=SOCK_STREAM)
        found.sort(key=lambda info: info[0] != AF_INET)
        self.family: int = found[0][0]
        self.address: Any = found[0][4]


class Client:
    """Sends one request at a time over one connection, which it opens when it needs it.

    `deadlines` holds the time-out of a whole request, connecting included, and may be shared.
    A reused connection that turns out to be closed before a byte of the answer came is reported
    as `stale`, and not tried again. Not for HEAD, whose answers have a length and no body.
    """

    __slots__ = (
        "_authority",
        "_expired",
        "_greenlet",
        "_hub",
        "_limit",
        "_reader",
        "_reading",
        "_reused",
        "_socket",
        "_tail",
        "_writing",
        "connections",
        "deadlines",
        "target",
    )

    def __init__(self, target: Target, deadlines: Deadlines, limit: int = MAX_ANSWER) -> None:
        self.target = target
        self.deadlines = deadlines
        self.connections = 0
        self._limit = limit
        self._tail = f" HTTP/1.1\r\nHost: {target.authority}\r\n"
        self._hub = get_hub()
        self._socket: socket | None = None
        self._greenlet: Any = None
        self._expired = False

    def request(self, verb: str, path: str, body: bytes = b"", fields: str = "") -> Answer:
        """Send a request and wait for its answer; failures are told in `Answer.outcome`.

        `body` is JSON; `fields` are more header lines, each with its CRLF.
        """
        if body:
            fields += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        message = f"{verb} {path}{self._tail}{fields}\r\n".encode() + body
        self._expired = False
        self.deadlines.start(self)
        try:
            return self._exchange(message)
        except BaseException:
            self.close()
            raise
        finally:
            self.deadlines.stop(self)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket is not None:
            for watcher in (self._reading, self._writing):
                watcher.stop()
                watcher.close()
            self._socket.close()
            self._socket = None

    def expire(self) -> None:
        """End the request under way as timed out; called from the hub."""
        self._expired = True
        if self._greenlet is not None:
            self._greenlet.switch(0)

    # -- one exchange -----------------------------------------------------------------------

    def _exchange(self, message: bytes) -> Answer:
        sent = perf_counter()
        try:
            if self._socket is None:
                self._connect()
                sent = perf_counter()
            reader = self._reader
            whole = self._send(message)
            self._receive(reader)
        except (OSError, AnswerError) as error:
            return self._failure(error, sent)
        done = perf_counter()
        if not (reader.keep and whole):
            self.close()
        self._reused = True
        return Answer(OK, reader.status, reader.raw, reader.body, sent, done)

    def _failure(self, error: OSError | AnswerError, sent: float) -> Answer:
        done = perf_counter()
        outcome = name(error)
        if self._socket is not None:
            gone = outcome in {CLOSED, RESET}
            if gone and self._reused and not self._reader.begun:
                outcome = STALE
            self.close()
        return Answer(outcome, 0, b"", b"", sent, done)

    def _connect(self) -> None:
        made = socket(self.target.family, SOCK_STREAM)
        made.setblocking(False)
        io = self._hub.loop.io
        self._socket = made
        self._reading, self._writing = io(made.fileno(), _READ), io(made.fileno(), _WRITE)
        self._reader = Reader(self._limit)
        self._reused = False
        self.connections += 1
        made.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        status = made.connect_ex(self.target.address)
        if status == errno.EINPROGRESS:
            self._wait_writable()
            status = made.getsockopt(SOL_SOCKET, SO_ERROR)
        if status:
            raise OSError(status, errno.errorcode[status])
        if made.getsockname() == made.getpeername():  # nobody listens: it met itself
            raise ConnectionRefusedError

    def _send(self, message: bytes) -> bool:
        """Send all, or as much as the server takes before it answers; return whether all."""
        self._reader.begin()
        if not self._reading.active:
            self._reading.start(self._readable)
        rest = memoryview(message)
        try:
            while rest := rest[self._send_some(rest) :]:
                if self._wait_writable() == _READ:
                    return False
        except (BrokenPipeError, ConnectionResetError):
            return False  # it may have answered before it closed
        return True

    def _send_some(self, data: memoryview) -> int:
        assert self._socket is not None
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0

    def _receive(self, reader: Reader) -> None:
        assert self._socket is not None
        receive = self._socket.recv
        while not reader.complete:
            self._wait()
            try:
                data = receive(_RECEIVE)
            except BlockingIOError:
                continue
            if data:
                reader.feed(data)
            else:
                reader.end()

    # -- waiting ----------------------------------------------------------------------------

    def _wait(self) -> int:
        self._greenlet = getcurrent()
        try:
            event: int = self._hub.switch()
        finally:
            self._greenlet = None
        if self._expired:
            raise TimeoutError
        return event

    def _wait_writable(self) -> int:
        self._writing.start(self._writable)
        try:
            return self._wait()
        finally:
            self._writing.stop()

    def _readable(self) -> None:
        if self._greenlet is None:
            self._reading.stop()  # closed while idle: the next request will find it
        else:
            self._greenlet.switch(_READ)

    def _writable(self) -> None:
        self._greenlet.switch(_WRITE)


def name(error: OSError | AnswerError) -> str:
    """The outcome that an exception stands for."""
    match error:
        case AnswerError():
            return str(error)
        case TimeoutError():
            return TIMEOUT
        case ConnectionRefusedError():
            return REFUSED
        case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError():
            return RESET
    return errno.errorcode.get(error.errno or 0, MALFORMED).lower()
