"""Where a cell's load goes, and whose CPU time is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import psutil

from windtunnel.client.address import Address
from windtunnel.recording.cpu import LOOPBACK
from windtunnel.workload.stores import ServerProcess, StoreInfo


class Target(Protocol):
    """A server to load."""

    name: str
    """What `target` of a cell says where it is loaded directly: direct, or host."""

    log: Path | None
    """nginx's access log, if there is an nginx of ours before it."""

    def url(self, processes: int) -> str:
        """Make so many processes ready and return the address to load."""

    def groups(self, offer: StoreInfo) -> Mapping[str, Sequence[int]]:
        """Return the process ids of each group: server, database, nginx."""

    def processes(self) -> Sequence[str]:
        """Return each server process's own address."""


class RunningServer:
    """A server that already runs at an address: loaded directly, nothing started.

    The CPU time of its process is counted if it is one of this machine.
    """

    name = "host"
    log: Path | None = None

    def __init__(self, url: str, process: ServerProcess) -> None:
        self._url = url
        is_local = Address(url).is_unix or urlsplit(url).hostname in LOOPBACK
        self._server = [process.pid] if is_local and psutil.pid_exists(process.pid) else []

    def url(self, processes: int) -> str:  # noqa: ARG002
        """Return the address."""
        return self._url

    def groups(self, offer: StoreInfo) -> Mapping[str, Sequence[int]]:  # noqa: ARG002
        """Return the pid of the process, if it is one of this machine."""
        return {"server": self._server} if self._server else {}

    def processes(self) -> Sequence[str]:
        """Return the address."""
        return [self._url]
