"""Where a cell's load goes, and whose CPU time is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import psutil

from windtunnel.client.address import Address
from windtunnel.runner.plan import Variant
from windtunnel.workload.stores import ServerProcess, StoreInfo, discover


class Target(Protocol):
    """A server to load."""

    name: str
    """What `target` of a cell says where it is loaded straight: direct, or host."""

    log: Path | None
    """nginx's access log, if there is an nginx of ours before it."""

    def url(self, processes: int) -> str:
        """Make so many processes ready and return the address to load."""

    def groups(self, offer: StoreInfo) -> Mapping[str, Sequence[int]]:
        """Return the process ids of each group: server, database, nginx."""

    def processes(self) -> Sequence[str]:
        """Return each server process's own address."""


class Foreign:
    """A server that already runs at an address: loaded straight, nothing started.

    The CPU time of its process is counted if it is one of this machine.
    """

    name = "host"
    log: Path | None = None

    def __init__(self, url: str, process: ServerProcess) -> None:
        self._url = url
        here = Address(url).is_unix or urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}
        self._server = [process.pid] if here and psutil.pid_exists(process.pid) else []

    def url(self, processes: int) -> str:  # noqa: ARG002
        """Return the address."""
        return self._url

    def groups(self, offer: StoreInfo) -> Mapping[str, Sequence[int]]:  # noqa: ARG002
        """Return the pid of the process, if it is one of this machine."""
        return {"server": self._server} if self._server else {}

    def processes(self) -> Sequence[str]:
        """Return the address."""
        return [self._url]


# Who takes part in a run: one server, or several variants, each with its stores.


BASE, AGAINST = "base", "against"


@dataclass(frozen=True, slots=True)
class Server:
    """One of them: the variant that it stands for, where its load goes, its stores by id."""

    variant: Variant
    target: Target
    offers: Mapping[str, StoreInfo]


@dataclass(frozen=True, slots=True)
class Lineup:
    """All of them, in the order in which they are told; a run without variants has one."""

    servers: tuple[Server, ...]

    @property
    def variants(self) -> tuple[Variant, ...]:
        """What a plan has to know of them."""
        return tuple(server.variant for server in self.servers)

    def __getitem__(self, name: str | None) -> Server:
        return next(server for server in self.servers if server.variant.name == name)

    def offers(self) -> list[StoreInfo]:
        """Return the stores that can be measured: up at every server that takes them.

        A store that some server lacks is left out; one that is down anywhere is told from there.
        """
        seen = {key: offer for server in self.servers for key, offer in server.offers.items()}
        return [found for offer in seen.values() if (found := self._everywhere(offer))]

    def _everywhere(self, offer: StoreInfo) -> StoreInfo | None:
        takers = [server.offers for server in self.servers if server.variant.takes(offer)]
        if not takers or not all(offer.id in offers for offers in takers):
            return None
        found = [offers[offer.id] for offers in takers]
        return next((each for each in found if each.status != "up"), found[0])


def server(target: Target, offers: Sequence[StoreInfo], variant: Variant | None = None) -> Server:
    """Return a server, the only one unless it is a variant."""
    return Server(variant or Variant(), target, {offer.id: offer for offer in offers})


def foreign(url: str, name: str | None = None) -> Server:
    """Return a server that runs at an address already; raises ServerDownError."""
    process, offers = discover(url)
    return server(Foreign(url, process), offers, Variant(name))
