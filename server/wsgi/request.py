"""A WSGI request, with the attributes of Tornado's that handlers use."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any, Final
from urllib.parse import quote

from tornado.escape import parse_qs_bytes

from server.body_limits import DISCARD_LIMIT

Environ = Mapping[str, Any]

CHUNK: Final = 1 << 16


class EnvironHeaders:
    """A request's headers, read from WSGI's environ."""

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    def get(self, name: str, default: str = "") -> str:
        """Return a header's value, or `default`."""
        return str(self._environ.get(_key(name), default))

    def __getitem__(self, name: str) -> str:
        return str(self._environ[_key(name)])

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._environ


@cache
def _key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"


class WsgiRequest:
    """A request made from WSGI's environ."""

    def __init__(self, environ: Environ) -> None:
        self.method = str(environ["REQUEST_METHOD"])
        uri = str(environ.get("RAW_URI") or _uri(environ))
        self.path, _, self.query = uri.partition("?")
        self.headers = EnvironHeaders(environ)
        self.body = b""
        self._environ = environ

    @cached_property
    def query_arguments(self) -> dict[str, list[bytes]]:
        """The query's arguments, as Tornado has them."""
        return parse_qs_bytes(self.query, keep_blank_values=True)

    def read_body(self, limit: int) -> bool:
        """Read the body into `body`; return False if it is larger than `limit`.

        Such a body is read to its end and discarded: a client that is still sending does not
        read, and would lose an answer given too early.
        """
        header = self._environ.get("CONTENT_LENGTH") or ""
        length = int(header) if header.isdigit() else None
        if length is None and not self._environ.get("wsgi.input_terminated"):
            return True
        if (length or 0) > DISCARD_LIMIT or ((length or 0) > limit and "Expect" in self.headers):
            return False
        self.body, fits = self._read(limit, length)
        return fits

    def _read(self, limit: int, length: int | None) -> tuple[bytes, bool]:
        stream, chunks, size = self._environ["wsgi.input"], [], 0
        while length is None or size < length:
            chunk = stream.read(CHUNK if length is None else min(CHUNK, length - size))
            if not chunk:
                break
            size += len(chunk)
            if size <= limit:
                chunks.append(chunk)
        return (b"".join(chunks), True) if size <= limit else (b"", False)


def _uri(environ: Environ) -> str:
    """Return the path and query of a server that does not keep the raw ones."""
    path = quote(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""), encoding="latin-1")
    query = environ.get("QUERY_STRING")
    return f"{path}?{query}" if query else path
