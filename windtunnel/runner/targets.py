"""Where a cell's load goes, and whose CPU time is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import msgspec
import psutil

from windtunnel.client.address import Address
from windtunnel.recording.cpu import LOOPBACK
from windtunnel.recording.results import Ledger
from windtunnel.runner.cell_plan import Variant
from windtunnel.workload.stores import ServerProcess, StoreInfo, discover

BASE, AGAINST = "base", "against"


@dataclass(frozen=True, slots=True)
class VariantServer:
    """The server of a variant: where its load goes, and its stores by id."""

    variant: Variant
    target: Target
    stores: Mapping[str, StoreInfo]


@dataclass(frozen=True, slots=True)
class Variants:
    """The servers of a run, in the order of its reports; a run without variants has one."""

    servers: tuple[VariantServer, ...]

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The variants, as a plan has them."""
        return tuple(server.variant for server in self.servers)

    def __getitem__(self, name: str | None) -> VariantServer:
        return next(server for server in self.servers if server.variant.name == name)

    def stores(self) -> list[StoreInfo]:
        """Return the stores that can be measured: up at every server that takes them.

        A store that a server lacks is left out; one that is down at any is returned as down.
        """
        stores = {id_: store for server in self.servers for id_, store in server.stores.items()}
        return [common for store in stores.values() if (common := self._in_common(store))]

    def ledgers(self, stores: Sequence[StoreInfo]) -> dict[str, dict[str, Ledger]]:
        """Return, by variant, the ledgers of the stores that are measured there."""
        return {
            server.variant.name: ledgers(
                [server.stores[store.id] for store in stores if server.variant.takes(store)]
            )
            for server in self.servers
            if server.variant.name is not None
        }

    def _in_common(self, store: StoreInfo) -> StoreInfo | None:
        takers = [server.stores for server in self.servers if server.variant.takes(store)]
        if not takers or not all(store.id in stores for stores in takers):
            return None
        entries = [stores[store.id] for stores in takers]
        return next((entry for entry in entries if entry.status != "up"), entries[0])


def variant_server(
    target: Target, stores: Sequence[StoreInfo], variant: Variant | None = None
) -> VariantServer:
    """Return a server, the only one of its run unless it is a variant."""
    return VariantServer(variant or Variant(), target, {store.id: store for store in stores})


def running_server(url: str, name: str | None = None) -> VariantServer:
    """Return a server that already runs at an address; raises ServerDownError."""
    process, stores = discover(url)
    return variant_server(RunningServer(url, process), stores, Variant(name))


def ledgers(stores: Sequence[StoreInfo]) -> dict[str, Ledger]:
    """Return the ledger of each store."""
    return {store.id: msgspec.convert(store.ledger, Ledger) for store in stores}


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
