"""What stores there are and how they are: every database asked at once, and not too often."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass

import tornado

from server.api.enums import Mode, Operation
from server.api.schemas import Catalog, ProcessInfo, StoreInfo
from server.engines.base import Engine
from server.errors import Problem
from server.settings import Settings
from server.stores import Store, Stores

log = logging.getLogger("server")

FRESH = 2.0
"""Seconds for which an answer is given again."""

IMPORTS, LIMIT = 15.0, 1.2
"""Seconds for a first probe to import its driver, and for a database to answer."""

PREFERENCE = (Mode.THREADS, Mode.BLOCKING, Mode.ASYNC)

Place = tuple[type[Engine], str]
"""An engine and the address of a database: what one probe stands for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found: the server's name and version, or why there is none."""

    status: str
    server: str | None = None
    detail: str | None = None


class Catalogue:
    """Describes the process and its stores."""

    def __init__(self, stores: Stores, settings: Settings) -> None:
        self._stores = stores
        self._settings = settings
        self._probes: dict[Place, asyncio.Task[Finding]] = {}
        self._asked = -FRESH
        self._asking: asyncio.Task[Mapping[Place, Finding]] | None = None

    async def describe(self) -> Catalog:
        """Return what `GET /stores` answers."""
        findings = await self._findings()
        return {
            "process": self._process(),
            "stores": [self._store(store, findings) for store in self._stores.values()],
        }

    async def _findings(self) -> Mapping[Place, Finding]:
        asking = self._asking
        if asking is None or (asking.done() and time.monotonic() - self._asked > FRESH):
            asking = self._asking = asyncio.ensure_future(self._ask())
        return await asyncio.shield(asking)

    async def _ask(self) -> Mapping[Place, Finding]:
        """Ask every database at once; one that still hangs from last time is not asked again."""
        begun: list[asyncio.Event] = []
        for place, store in self._chosen().items():
            if place not in self._probes or self._probes[place].done():
                begun.append(asyncio.Event())
                self._probes[place] = asyncio.ensure_future(_probe(store, begun[-1]))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(event.wait() for event in begun)), IMPORTS)
        if self._probes:
            await asyncio.wait(self._probes.values(), timeout=LIMIT)
        self._asked = time.monotonic()
        return {place: _finding(task) for place, task in self._probes.items()}

    def _chosen(self) -> dict[Place, Store]:
        """Return one store to probe for each engine and address whose driver is there."""
        chosen: dict[Place, Store] = {}
        stores = sorted(self._stores.values(), key=lambda store: PREFERENCE.index(store.mode))
        for store in stores:
            if store.engine.missing(store.mode) is None:
                chosen.setdefault((store.engine, store.address), store)
        return chosen

    def _store(self, store: Store, findings: Mapping[Place, Finding]) -> StoreInfo:
        missing = store.engine.missing(store.mode)
        finding = findings.get((store.engine, store.address), Finding("missing"))
        if missing:
            finding = Finding("missing", detail=missing)
        return {
            "id": store.id,
            "engine": store.engine.name,
            "mode": store.mode,
            "durability": store.durability,
            "default": store.default,
            "status": finding.status,
            "detail": finding.detail,
            "service": store.engine.service.name if store.engine.service else None,
            "reference": store.engine.reference,
            "local": store.engine.local,
            "operations": list(store.operations),
            "not_available": {
                o: store.engine.not_available[o]
                for o in Operation
                if o in store.engine.not_available
            },
            "ledger": store.ledger(finding.server),
        }

    def _process(self) -> ProcessInfo:
        settings = self._settings
        return {
            "pool": settings.pool,
            "port": settings.port,
            "pid": os.getpid(),
            "python": platform.python_version(),
            "tornado": tornado.version,
            "loop": settings.loop,
            "connections": settings.connections,
        }


async def _probe(store: Store, begun: asyncio.Event) -> Finding:
    try:
        server = await store.probe(begun)
    except Problem as error:
        return Finding("down", detail=error.detail)
    except Exception:
        log.exception("the probe of %s failed", store.id)
        return Finding("down", detail="the probe failed; the server's log has more")
    finally:
        begun.set()
    return Finding("up", server)


def _finding(task: asyncio.Task[Finding]) -> Finding:
    if task.done() and not task.cancelled():
        return task.result()
    return Finding("down", detail=f"no answer within {LIMIT:g} s")
