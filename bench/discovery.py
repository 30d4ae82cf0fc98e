"""What a running server offers, asked over HTTP: the only way in which bench learns of stores."""

from __future__ import annotations

import urllib.request
from http.client import HTTPException
from typing import Any

import msgspec

from bench.plan import Offer

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Asks without a proxy: what is measured is loaded without one too."""


class ServerDownError(Exception):
    """No server of this suite answers at an address; the message says how to start one."""


class _Store(msgspec.Struct):
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


class Process(msgspec.Struct):
    """The server process that answered."""

    pool: str
    port: int
    pid: int
    python: str
    tornado: str
    loop: str
    connections: int


class _Answer(msgspec.Struct):
    process: Process
    stores: list[_Store]


def discover(url: str, timeout: float = 10.0) -> tuple[Process, list[Offer]]:
    """Return the process at `url` and its stores; raises ServerDownError."""
    try:
        with _direct.open(f"{url}/stores", timeout=timeout) as answer:
            body = answer.read()
        told = msgspec.json.decode(body, type=_Answer)
    except (OSError, ValueError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise ServerDownError(
            f"no Windtunnel server answers at {url} ({reason}): start one with `windtunnel up`"
        ) from error
    return told.process, [_offer(store) for store in told.stores]


def _offer(store: _Store) -> Offer:
    return Offer(
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
