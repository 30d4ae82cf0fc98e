"""A supervisord's control, XML-RPC over its unix socket."""

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


def control(path: Path) -> Any:
    """The `supervisor` methods behind a socket; calls raise OSError and xmlrpc.client.Error."""
    return xmlrpc.client.ServerProxy("http://localhost/RPC2", _Transport(path)).supervisor


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fsencode(self._path))


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._opened: _Connection | None = None

    def make_connection(self, host: Any) -> _Connection:  # noqa: ARG002
        self._opened = _Connection(self._path)
        return self._opened

    def request(self, *call: Any, **options: Any) -> Any:
        """Make one call on a connection of its own, so that none is left open."""
        try:
            return super().request(*call, **options)
        finally:
            if self._opened is not None:  # it may be interrupted before
                self._opened.close()
