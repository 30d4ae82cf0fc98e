"""The control of a supervisord: XML-RPC over its Unix socket, with a timeout."""

from __future__ import annotations

import http.client
import os
import socket
import xmlrpc.client
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT = 10.0
"""Seconds after which a supervisord that does not answer counts as gone."""


def supervisor_rpc(path: Path) -> Any:
    """Return the `supervisor` methods at a socket; they raise OSError and xmlrpc.client.Error."""
    return xmlrpc.client.ServerProxy("http://localhost/RPC2", _UnixTransport(path)).supervisor


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fsencode(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._opened: _UnixConnection | None = None

    def make_connection(self, host: Any) -> _UnixConnection:  # noqa: ARG002
        self._opened = _UnixConnection(self._path)
        return self._opened

    def request(self, *call: Any, **options: Any) -> Any:
        """Make a call on a connection of its own, so that none is left open."""
        try:
            return super().request(*call, **options)
        finally:
            if self._opened is not None:  # it may be interrupted before
                self._opened.close()
