"""How large a body may be: a larger one is read to its end, thrown away, and answered by a 413."""

from __future__ import annotations

import asyncio
from typing import Any

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest

RECORD_LIMIT = 2 << 20
"""Bytes; more than a topic of a million characters, so that the answer can name the field."""

POPULATION_LIMIT = 64 << 20

PATIENCE = 512 << 20
"""Bytes that are read and thrown away; who announces more is refused at once and cut off."""


class Bounded(HTTPMessageDelegate):
    """Hands a body on to `taking`, or, where it is larger than `limit`, ends with `refusing`.

    A client that is still sending does not read, and loses an answer given too early.
    """

    def __init__(
        self, taking: HTTPMessageDelegate, refusing: HTTPMessageDelegate, limit: int
    ) -> None:
        self._taking = taking
        self._refusing = refusing
        self._room = limit

    def data_received(self, chunk: bytes) -> None:
        """Take a piece, or throw it away."""
        self._room -= len(chunk)
        if self._room >= 0:
            self._taking.data_received(chunk)

    def finish(self) -> None:
        """Answer."""
        (self._taking if self._room >= 0 else self._refusing).finish()

    def on_connection_close(self) -> None:
        """The client has gone."""
        self._taking.on_connection_close()


class Refused(HTTPMessageDelegate):
    """Answers before the body comes; what comes of it is thrown away."""

    def __init__(self, refusing: HTTPMessageDelegate) -> None:
        self._refusing = refusing

    async def headers_received(self, start_line: Any, headers: Any) -> None:  # noqa: ARG002
        """Answer, and let the answer be written before the client is asked to continue."""
        self._refusing.finish()
        await asyncio.sleep(0)


def announced(request: HTTPServerRequest) -> int | None:
    """Return the length that a request says its body has; None where it does not say."""
    length = request.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit():
        return int(length)
    return None if "Transfer-Encoding" in request.headers else 0
