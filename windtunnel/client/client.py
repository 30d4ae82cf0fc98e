"""A lean HTTP/1.1 client on gevent: one connection, no hidden retry, every failure named.

It costs a fraction of what a general client costs: the head is one formatted string, header
fields are parsed when somebody asks, and all deadlines share one timer.
"""

from __future__ import annotations

import errno
from http.cookiejar import CookieJar
from time import perf_counter
from typing import Final

from windtunnel.client.address import Address
from windtunnel.client.connection import Connection
from windtunnel.client.cookies import Cookies
from windtunnel.client.response import (
    MALFORMED,
    OK,
    REFUSED,
    RESET,
    STALE,
    TIMEOUT,
    Response,
    ResponseError,
)
from windtunnel.client.timers import Deadlines

MAX_RESPONSE: Final = 16 * 1024 * 1024
"""Bytes from which on an answer counts as oversize."""

IDEMPOTENT: Final = frozenset({"GET", "PUT", "DELETE", "OPTIONS", "TRACE"})
"""Verbs that may be sent again where nobody knows whether they arrived (RFC 9110, 9.2.2)."""


class Client:
    """Sends one request at a time over one connection, which it opens when it needs it.

    `deadlines` holds the time-out of a whole request, connecting and a second try included, and
    may be shared. A reused connection that turns out to be closed before a byte of the answer came
    is reported as `stale`; with `retry_stale` an idempotent request is then sent once more, on a
    new connection (RFC 9112, 9.3.1), and its answer says `retried`. Cookies go into and come out
    of `jar`, if there is one. `owner` is for whoever made it. Not for HEAD, whose answers have a
    length and no body.
    """

    __slots__ = (
        "_connection",
        "_cookies",
        "_limit",
        "connections",
        "deadlines",
        "owner",
        "retried",
        "retry_stale",
        "target",
    )

    def __init__(
        self,
        target: Address,
        deadlines: Deadlines,
        limit: int = MAX_RESPONSE,
        *,
        retry_stale: bool = False,
        jar: CookieJar | None = None,
    ) -> None:
        self.target = target
        self.deadlines = deadlines
        self.retry_stale = retry_stale
        self.owner: object = None
        self.connections = 0
        self.retried = 0
        self._limit = limit
        self._cookies = None if jar is None else Cookies(jar)
        self._connection: Connection | None = None

    def request(self, verb: str, path: str, body: bytes = b"", fields: str = "") -> Response:
        """Send a request and wait for its answer; failures are told in `Response.outcome`.

        `body` is JSON; `fields` are more header lines, each with its CRLF.
        """
        if body:
            fields += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        if self._cookies is not None:
            fields += self._cookies.field(self.target.base + path)
        message = f"{verb} {path}{self.target.tail}{fields}\r\n".encode() + body
        self.deadlines.start(self)
        try:
            answer = self._exchange(message)
            if answer.outcome is STALE and self.retry_stale and verb in IDEMPOTENT:
                answer = self._again(message, answer)
        except BaseException:
            self.close()
            raise
        finally:
            self.deadlines.stop(self)
        if self._cookies is not None:
            self._cookies.keep(self.target.base + path, answer.raw)
        return answer

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def expire(self) -> None:
        """End the request under way as timed out; called from the hub."""
        if self._connection is not None:
            self._connection.interrupt()

    def _exchange(self, message: bytes) -> Response:
        sent = perf_counter()
        connection = self._connection
        try:
            if connection is None:
                connection = self._connect()
                sent = perf_counter()
            whole = connection.send(message)
            reader = connection.receive(self._limit)
        except (OSError, ResponseError) as error:
            self.close()
            return Response(name(error), 0, b"", b"", sent, perf_counter())
        done = perf_counter()
        answer = Response(OK, reader.status, reader.raw, reader.body, sent, done)
        if reader.keep and whole:
            reader.give_back()
            connection.reused = True
        else:
            self.close()
        return answer

    def _again(self, message: bytes, stale: Response) -> Response:
        self.retried += 1
        answer = self._exchange(message)
        answer.sent = stale.sent  # the server's fault or not, the client waited
        answer.retried = True
        return answer

    def _connect(self) -> Connection:
        made = self._connection = Connection(self.target.family)
        self.connections += 1
        made.connect(self.target)
        return made


def name(error: OSError | ResponseError) -> str:
    """The outcome that an exception stands for."""
    match error:
        case ResponseError():
            return str(error)
        case TimeoutError():
            return TIMEOUT
        case ConnectionRefusedError() | FileNotFoundError():
            return REFUSED
        case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError():
            return RESET
    return errno.errorcode.get(error.errno or 0, MALFORMED).lower()
