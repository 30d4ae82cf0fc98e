"""Readiness probes in a server's own protocol, quick and without a driver."""

from __future__ import annotations

import http.client
import socket
from contextlib import closing

TIMEOUT = 0.8
"""Seconds that a server has to answer a probe."""


def replies(port: int, request: bytes, expected: bytes, size: int = 65536) -> bool:
    """Return whether the server on this port replies with bytes that contain `expected`."""
    return expected in first_reply(port, request, size, until=expected)


def first_reply(port: int, request: bytes, size: int = 65536, until: bytes = b"") -> bytes:
    """Return what the server replies, up to `size` bytes or to `until`; empty for nothing."""
    reply = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
            connection.sendall(request)
            while len(reply) < size and (not reply or until not in reply):
                if not (chunk := connection.recv(size)):
                    break
                reply += chunk
    except OSError:
        pass
    return reply


def http_ok(port: int, path: str) -> bool:
    """Return whether a GET on 127.0.0.1 answers 200."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
