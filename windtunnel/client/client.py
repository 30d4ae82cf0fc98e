"""A lean HTTP/1.1 client on gevent: one connection, no hidden retry, every failure named.

It costs a fraction of what a general client costs: the head is one formatted string, header
fields are parsed only on demand, and all deadlines share one timer.
"""

from __future__ import annotations

import contextlib
import errno
import resource
from http.cookiejar import CookieJar
from time import perf_counter
from typing import Final

from windtunnel.client.address import Address
from windtunnel.client.connection import Connection
from windtunnel.client.cookies import Cookies
from windtunnel.client.deadlines import Deadlines
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

RESERVED: Final = 200
"""Descriptors beside the connections: the interpreter's, logs, results, the web UI's."""

_UNLIMITED: Final = 1 << 20
"""More than any system allows a process where the hard limit is infinite."""


def raise_limit(connections: int = 0) -> str | None:
    """Raise the soft limit as far as the hard limit allows.

    Returns None if `connections` fit, or a line that says what to do.
    """
    needed = connections + RESERVED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = _UNLIMITED if hard == resource.RLIM_INFINITY else hard
    for limit in (highest, needed):
        if 0 <= soft < limit <= highest:
            with contextlib.suppress(ValueError, OSError):  # macOS caps lower than it says
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return None
    return (
        f"{connections} connections do not fit into {soft} open files, the most allowed here: "
        f"raise the hard limit (ulimit -Hn {needed} as root, or LimitNOFILE=), "
        f"or load with at most {max(0, soft - RESERVED)} users"
    )


MAX_RESPONSE: Final = 16 * 1024 * 1024
"""Bytes beyond which a response counts as oversize."""

IDEMPOTENT: Final = frozenset({"GET", "PUT", "DELETE", "OPTIONS", "TRACE"})
"""Methods whose requests may be sent again after an unknown outcome (RFC 9110, 9.2.2)."""


class Client:
    """Sends one request at a time over one connection, opened when it is needed.

    `deadlines` holds the time-out of a whole request, connecting and a second try included, and
    may be shared. If a reused connection turns out to be closed before a byte of the response came,
    the outcome is `stale`; with `retry_stale` an idempotent request is then sent once more, on a
    new connection (RFC 9112, 9.3.1), and its response has `retried` set. Cookies go into and come
    out of `jar`, if there is one. `owner` is for the caller's use. Does not support HEAD, whose
    responses have a length and no body.
    """

    __slots__ = (
        "_connection",
        "_cookies",
        "_limit",
        "address",
        "connections",
        "deadlines",
        "owner",
        "retries",
        "retry_stale",
    )

    def __init__(
        self,
        address: Address,
        deadlines: Deadlines,
        limit: int = MAX_RESPONSE,
        *,
        retry_stale: bool = False,
        jar: CookieJar | None = None,
    ) -> None:
        self.address = address
        self.deadlines = deadlines
        self.retry_stale = retry_stale
        self.owner: object = None
        self.connections = 0
        self.retries = 0
        self._limit = limit
        self._cookies = None if jar is None else Cookies(jar)
        self._connection: Connection | None = None

    def request(
        self, method: str, path: str, body: bytes = b"", header_lines: str = ""
    ) -> Response:
        """Send a request and wait for its response; a failure is named in `Response.outcome`.

        `body` is JSON; `header_lines` are more header lines, each with its CRLF.
        """
        if body:
            header_lines += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        if self._cookies is not None:
            header_lines += self._cookies.header_line(self.address.origin + path)
        message = f"{method} {path}{self.address.head_tail}{header_lines}\r\n".encode() + body
        self.deadlines.start(self)
        try:
            response = self._exchange(message)
            if response.outcome is STALE and self.retry_stale and method in IDEMPOTENT:
                response = self._retry(message, response)
        except BaseException:
            self.close()
            raise
        finally:
            self.deadlines.stop(self)
        if self._cookies is not None:
            self._cookies.store(self.address.origin + path, response.raw)
        return response

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def expire(self) -> None:
        """Let the request in flight time out; called from the hub."""
        if self._connection is not None:
            self._connection.interrupt()

    def _exchange(self, message: bytes) -> Response:
        sent_at = perf_counter()
        connection = self._connection
        try:
            if connection is None:
                connection = self._connect()
                sent_at = perf_counter()
            complete = connection.send(message)
            reader = connection.receive(self._limit)
        except (OSError, ResponseError) as error:
            self.close()
            return Response(outcome_of(error), 0, b"", b"", sent_at, perf_counter())
        done_at = perf_counter()
        response = Response(OK, reader.status, reader.raw, reader.body, sent_at, done_at)
        if reader.keep_alive and complete:
            reader.release()
            connection.reused = True
        else:
            self.close()
        return response

    def _retry(self, message: bytes, stale: Response) -> Response:
        self.retries += 1
        response = self._exchange(message)
        response.sent_at = stale.sent_at  # the server's fault or not, the client waited
        response.retried = True
        return response

    def _connect(self) -> Connection:
        connection = self._connection = Connection(self.address.family)
        self.connections += 1
        connection.connect(self.address)
        return connection


def outcome_of(error: OSError | ResponseError) -> str:
    """The outcome of a request that raised `error`."""
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
