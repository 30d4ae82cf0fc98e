"""A request as WSGI hands it over, with what handlers ask of one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any, Final
from urllib.parse import quote

from tornado.escape import parse_qs_bytes

from server.limits import PATIENCE

Environ = Mapping[str, Any]

CHUNK: Final = 1 << 16


class Headers:
    """A request's headers as WSGI has them."""

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    def get(self, name: str, default: str = "") -> str:
        """Return one, or `default`."""
        return str(self._environ.get(_key(name), default))

    def __getitem__(self, name: str) -> str:
        return str(self._environ[_key(name)])

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._environ


@cache
def _key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"


class Request:
    """What handlers ask of a request, from WSGI's environ."""

    def __init__(self, environ: Environ) -> None:
        self.method = str(environ["REQUEST_METHOD"])
        raw = str(environ.get("RAW_URI") or _uri(environ))
        self.path, _, self.query = raw.partition("?")
        self.headers = Headers(environ)
        self.body = b""
        self._environ = environ

    @cached_property
    def query_arguments(self) -> dict[str, list[bytes]]:
        """The query's arguments, as Tornado has them."""
        return parse_qs_bytes(self.query, keep_blank_values=True)

    def take(self, most: int) -> bool:
        """Read the body; False if it is larger than `most`, and then it is read and thrown away.

        A client that is still sending does not read, and loses an answer given too early.
        """
        announced = self._environ.get("CONTENT_LENGTH") or ""
        length = int(announced) if announced.isdigit() else None
        if length is None and not self._environ.get("wsgi.input_terminated"):
            return True
        if length is not None and length > most and (length > PATIENCE or "Expect" in self.headers):
            return False
        self.body, fits = self._read(most, length)
        return fits

    def _read(self, most: int, length: int | None) -> tuple[bytes, bool]:
        stream, parts, size = self._environ["wsgi.input"], [], 0
        while length is None or size < length:
            part = stream.read(CHUNK if length is None else min(CHUNK, length - size))
            if not part:
                break
            size += len(part)
            if size <= most:
                parts.append(part)
        return (b"".join(parts), True) if size <= most else (b"", False)


def _uri(environ: Environ) -> str:
    """The path of a server that does not keep the raw one."""
    path = quote(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""), encoding="latin-1")
    query = environ.get("QUERY_STRING")
    return f"{path}?{query}" if query else path
