"""Where requests go: an address looked up once, for as many connections as are wanted."""

from __future__ import annotations

import os
import sys
from socket import AF_INET, AF_UNIX, SOCK_STREAM, getaddrinfo
from typing import Any, Final
from urllib.parse import unquote, urlsplit

_PLAIN, _QUOTED = "unix:", "http+unix://"
_LONGEST: Final = 107 if sys.platform == "linux" else 103
"""Bytes of a unix socket's path that `sockaddr_un` has room for."""


class Address:
    """`http://host[:port]`, `unix:/path/of.sock` or `http+unix://%2Fpath%2Fof.sock`.

    `authority` is what Host says, `tail` what follows the path in a request's head, `base` the
    address that cookies belong to.
    Raises ValueError for anything else, OSError for a name that does not resolve.
    """

    __slots__ = ("address", "authority", "base", "family", "tail", "url")

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.authority, self.family, self.address = _of_socket(self.url) or _of_host(url)
        self.base = f"http://{self.authority}"
        self.tail = f" HTTP/1.1\r\nHost: {self.authority}\r\n"

    @property
    def local(self) -> bool:
        """Whether it is a unix socket."""
        return self.family == AF_UNIX


def _of_host(url: str) -> tuple[str, int, Any]:
    parts = urlsplit(url)
    beside = parts.path.strip("/") or parts.query or parts.username
    if parts.scheme != "http" or not parts.hostname or beside:
        raise ValueError(f"{url!r} is not an address like http://127.0.0.1:10001")
    found = getaddrinfo(parts.hostname, parts.port or 80, type=SOCK_STREAM)
    found.sort(key=lambda info: info[0] != AF_INET)
    return parts.netloc, found[0][0], found[0][4]


def _of_socket(url: str) -> tuple[str, int, Any] | None:
    if url.startswith(_QUOTED):
        path = unquote(url.removeprefix(_QUOTED))
    elif url.startswith(_PLAIN):
        path = url.removeprefix(_PLAIN)
    else:
        return None
    if not path.startswith("/") or "\0" in path:
        raise ValueError(f"{url!r} is not an address like unix:/run/server.sock")
    if len(os.fsencode(path)) > _LONGEST:
        raise ValueError(f"{url!r} is not an address: a socket's path has {_LONGEST} bytes at most")
    return "localhost", AF_UNIX, path
