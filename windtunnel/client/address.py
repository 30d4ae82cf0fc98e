"""Where requests are sent: a URL resolved once, for as many connections as needed."""

from __future__ import annotations

import os
import sys
from socket import AF_INET, AF_UNIX, SOCK_STREAM, getaddrinfo
from typing import Any, Final
from urllib.parse import unquote, urlsplit

_PLAIN, _QUOTED = "unix:", "http+unix://"
_MAX_PATH: Final = 107 if sys.platform == "linux" else 103
"""Bytes of a unix socket's path that `sockaddr_un` has room for."""


class Address:
    """`http://host[:port]`, `unix:/path/of.sock` or `http+unix://%2Fpath%2Fof.sock`.

    `family` and `sockaddr` are those of the socket module, `authority` is the value of the Host
    header, `head_tail` what follows the path in a request's head, `origin` the start of the URL
    that cookies belong to.
    Raises ValueError for anything else, OSError for a name that does not resolve.
    """

    __slots__ = ("authority", "family", "head_tail", "origin", "sockaddr", "url")

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.authority, self.family, self.sockaddr = _parse_unix(self.url) or _parse_tcp(url)
        self.origin = f"http://{self.authority}"
        self.head_tail = f" HTTP/1.1\r\nHost: {self.authority}\r\n"

    @property
    def is_unix(self) -> bool:
        """Whether it is a unix socket."""
        return self.family == AF_UNIX


def _parse_tcp(url: str) -> tuple[str, int, Any]:
    parts = urlsplit(url)
    excess = parts.path.strip("/") or parts.query or parts.username
    if parts.scheme != "http" or not parts.hostname or excess:
        raise ValueError(f"{url!r} is not an address like http://127.0.0.1:10001")
    infos = getaddrinfo(parts.hostname, parts.port or 80, type=SOCK_STREAM)
    infos.sort(key=lambda info: info[0] != AF_INET)
    return parts.netloc, infos[0][0], infos[0][4]


def _parse_unix(url: str) -> tuple[str, int, Any] | None:
    if url.startswith(_QUOTED):
        path = unquote(url.removeprefix(_QUOTED))
    elif url.startswith(_PLAIN):
        path = url.removeprefix(_PLAIN)
    else:
        return None
    if not path.startswith("/") or "\0" in path:
        raise ValueError(f"{url!r} is not an address like unix:/run/server.sock")
    if len(os.fsencode(path)) > _MAX_PATH:
        raise ValueError(
            f"{url!r} is not an address: a socket's path has {_MAX_PATH} bytes at most"
        )
    return "localhost", AF_UNIX, path
