"""What `GET /stores` answers: every store with its state, all databases probed at once."""

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
from server.api.schemas import Catalog, ProcessInfo, StoreEntry
from server.engines.base import Engine
from server.errors import Problem
from server.settings import Settings
from server.stores.store import Store, Stores

log = logging.getLogger("server")

FRESH = 2.0
"""Seconds for which the answers of the databases are reused."""

IMPORT_TIMEOUT, PROBE_TIMEOUT = 15.0, 1.2
"""Seconds for a first probe to import its driver, and for a database to answer."""

MODE_PREFERENCE = (Mode.THREADS, Mode.BLOCKING, Mode.ASYNC)

ProbeTarget = tuple[type[Engine], str]
"""An engine and the address of a database: stores that share both share a probe."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """A database's status, with its name and version, or the reason why it is not up."""

    status: str
    server: str | None = None
    detail: str | None = None


class StoreCatalog:
    """Describes the process and its stores."""

    def __init__(self, stores: Stores, settings: Settings) -> None:
        self._stores = stores
        self._settings = settings
        self._probes: dict[ProbeTarget, asyncio.Task[ProbeResult]] = {}
        self._probed_at = self._checked_at = -FRESH
        self._round: asyncio.Task[Mapping[ProbeTarget, ProbeResult]] | None = None

    async def describe(self) -> Catalog:
        """Return what `GET /stores` answers."""
        results = await self._probe_results()
        return {
            "process": self._process(),
            "stores": [self._store(store, results) for store in self._stores.values()],
        }

    async def check_clients(self) -> None:
        """Ask the clients in use, unless that was done just now; wedged ones are given up."""
        if time.monotonic() - self._checked_at > FRESH:
            self._checked_at = time.monotonic()
            await self._stores.check_clients()

    async def _probe_results(self) -> Mapping[ProbeTarget, ProbeResult]:
        probes = self._round
        if probes is None or (probes.done() and time.monotonic() - self._probed_at > FRESH):
            probes = self._round = asyncio.ensure_future(self._probe_all())
        return await asyncio.shield(probes)

    async def _probe_all(self) -> Mapping[ProbeTarget, ProbeResult]:
        """Probe every database at once, but for those that have not answered the last probe yet."""
        imports: list[asyncio.Event] = []
        for target, store in self._targets().items():
            if target not in self._probes or self._probes[target].done():
                imports.append(asyncio.Event())
                self._probes[target] = asyncio.ensure_future(_probe(store, imports[-1]))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(
                asyncio.gather(*(event.wait() for event in imports)), IMPORT_TIMEOUT
            )
        checks = asyncio.ensure_future(self._stores.check_clients())
        await asyncio.wait([*self._probes.values(), checks], timeout=PROBE_TIMEOUT)
        self._probed_at = time.monotonic()
        return {target: _result(task) for target, task in self._probes.items()}

    def _targets(self) -> dict[ProbeTarget, Store]:
        """Return the store to probe for each engine and address whose driver is installed."""
        targets: dict[ProbeTarget, Store] = {}
        stores = sorted(self._stores.values(), key=lambda store: MODE_PREFERENCE.index(store.mode))
        for store in stores:
            if store.engine.why_missing(store.mode) is None:
                targets.setdefault((store.engine, store.address), store)
        return targets

    def _store(self, store: Store, results: Mapping[ProbeTarget, ProbeResult]) -> StoreEntry:
        missing = store.engine.why_missing(store.mode)
        result = results.get((store.engine, store.address), ProbeResult("missing"))
        if missing:
            result = ProbeResult("missing", detail=missing)
        return {
            "id": store.id,
            "engine": store.engine.name,
            "mode": store.mode,
            "durability": store.durability,
            "default": store.is_default,
            "status": result.status,
            "detail": result.detail,
            "service": store.engine.service.name if store.engine.service else None,
            "reference": store.engine.reference,
            "local": store.engine.local,
            "operations": list(store.operations),
            "not_available": {
                o: store.engine.not_available[o]
                for o in Operation
                if o in store.engine.not_available
            },
            "ledger": store.ledger(result.server),
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


async def _probe(store: Store, imported: asyncio.Event) -> ProbeResult:
    try:
        server = await store.probe(imported)
    except Problem as error:
        return ProbeResult("down", detail=error.detail)
    except Exception:
        log.exception("the probe of %s failed", store.id)
        return ProbeResult("down", detail="the probe failed; the server's log has more")
    finally:
        imported.set()
    return ProbeResult("up", server)


def _result(task: asyncio.Task[ProbeResult]) -> ProbeResult:
    if task.done() and not task.cancelled():
        return task.result()
    return ProbeResult("down", detail=f"no answer within {PROBE_TIMEOUT:g} s")
