"""Limits of request bodies: a larger body is read to its end, discarded, and answered by a 413."""

from __future__ import annotations

import asyncio
from typing import Any

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest

RECORD_LIMIT = 2 << 20
"""Bytes; more than a topic of a million characters, so that the answer can name the field."""

POPULATION_LIMIT = 64 << 20

DISCARD_LIMIT = 512 << 20
"""Bytes that are read and discarded; a longer Content-Length is refused at once and cut off."""


class LimitedBody(HTTPMessageDelegate):
    """Hands a body on to `accepted`, or, where it is larger than `limit`, ends with `refused`.

    A client that is still sending does not read, and would lose an answer given too early.
    """

    def __init__(
        self, accepted: HTTPMessageDelegate, refused: HTTPMessageDelegate, limit: int
    ) -> None:
        self._accepted = accepted
        self._refused = refused
        self._remaining = limit

    def data_received(self, chunk: bytes) -> None:
        """Hand a chunk on, or discard it."""
        self._remaining -= len(chunk)
        if self._remaining >= 0:
            self._accepted.data_received(chunk)

    def finish(self) -> None:
        """Answer."""
        (self._accepted if self._remaining >= 0 else self._refused).finish()

    def on_connection_close(self) -> None:
        """Pass on that the client has gone."""
        self._accepted.on_connection_close()


class RefusedBody(HTTPMessageDelegate):
    """Answers before the body comes; what comes of it is discarded."""

    def __init__(self, refused: HTTPMessageDelegate) -> None:
        self._refused = refused

    async def headers_received(self, start_line: Any, headers: Any) -> None:  # noqa: ARG002
        """Answer, and let the answer be written before the client is asked to continue."""
        self._refused.finish()
        await asyncio.sleep(0)


def content_length(request: HTTPServerRequest) -> int | None:
    """Return the length of a request's body by its headers; None if they do not say."""
    length = request.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit():
        return int(length)
    return None if "Transfer-Encoding" in request.headers else 0
