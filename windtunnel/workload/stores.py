"""The stores of a running server, discovered over HTTP and selected by glob."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http.client import HTTPConnection, HTTPException
from typing import Any

import msgspec

from windtunnel.client.address import Address
from windtunnel.errors import SetupError, UsageError


class ServerDownError(SetupError):
    """No server of this suite answers at an address; the message says how to start one."""


class UnknownStoreError(UsageError):
    """A glob that selects no store; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """A store as the server describes it in `/stores`; see `discover`."""

    id: str
    mode: str
    default: bool
    status: str
    detail: str | None
    operations: frozenset[str]
    not_available: Mapping[str, str]
    service: str | None
    local: bool
    ledger: Mapping[str, object]


class _ListedStore(msgspec.Struct):
    id: str
    mode: str
    durability: str
    default: bool
    status: str
    operations: frozenset[str]
    ledger: dict[str, Any]
    detail: str | None = None
    not_available: dict[str, str] = {}
    service: str | None = None
    local: bool = False
    reference: bool | None = None


class ServerProcess(msgspec.Struct):
    """The server process that sent the list of stores."""

    pool: str
    port: int
    pid: int
    python: str
    tornado: str
    loop: str
    connections: int


class _StoreList(msgspec.Struct):
    process: ServerProcess
    stores: list[_ListedStore]


def discover(url: str, timeout: float = 10.0) -> tuple[ServerProcess, list[StoreInfo]]:
    """Return the process at `url` and its stores; raises ServerDownError."""
    try:
        listing = msgspec.json.decode(_get(Address(url), "/stores", timeout), type=_StoreList)
    except (OSError, ValueError, HTTPException) as error:
        reason = getattr(error, "strerror", None) or error
        raise ServerDownError(
            f"no Windtunnel server answers at {url} ({reason}): start one with `windtunnel up`"
        ) from error
    return listing.process, [_store_info(store) for store in listing.stores]


def select(stores: Sequence[StoreInfo], globs: Sequence[str]) -> list[StoreInfo]:
    """Return the stores that match any of the globs, in the server's order.

    Raises UnknownStoreError for a glob that matches no store.
    """
    for glob in globs:
        if not any(fnmatchcase(store.id, glob) for store in stores):
            engines = ", ".join(sorted({store.id.split("/")[0] for store in stores}))
            raise UnknownStoreError(
                f"no store matches {glob!r}: ids are engine/mode/durability, engines are {engines}"
            )
    return [store for store in stores if any(fnmatchcase(store.id, glob) for glob in globs)]


class _DirectConnection(HTTPConnection):
    """Connects to TCP and unix sockets, and through no proxy, as the load does."""

    def __init__(self, address: Address, timeout: float) -> None:
        super().__init__(address.authority, timeout=timeout)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.socket(self._address.family, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._address.sockaddr)


def _get(address: Address, path: str, timeout: float) -> bytes:
    """Return the body of a 200 response.

    Raises OSError, ValueError or HTTPException, and ServerDownError where the server says why not.
    """
    connection = _DirectConnection(address, timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status != 200:
        if detail := _detail(body):
            raise ServerDownError(f"the server at {address.origin} refuses {path}: {detail}")
        raise ValueError(f"{response.status} {response.reason}")
    return body


def _detail(body: bytes) -> str | None:
    """Return the detail of problem details (RFC 9457), None where a body is something else."""
    try:
        return str(msgspec.json.decode(body)["detail"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return None


def _store_info(store: _ListedStore) -> StoreInfo:
    return StoreInfo(
        id=store.id,
        mode=store.mode,
        default=store.default,
        status=store.status,
        detail=store.detail,
        operations=store.operations,
        not_available=store.not_available,
        service=store.service,
        local=store.local,
        ledger={
            **store.ledger,
            "not_available": store.not_available,
            "reference": store.reference,
        },
    )
