"""Each database killed for real, and started again: what is said meanwhile, and what is left."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import ExitStack
from subprocess import Popen

import pytest

from deploy.services.base import Instance, Workspace
from deploy.services.child_processes import start, stop, wait_ready
from server.api.record import Record
from server.errors import Unavailable
from server.settings import Settings
from server.stores import Store, Stores
from server.stores.modes import CallTimes
from tests.databases import ENGINES, addresses_of, engine_services, prepared, workspace
from tests.engines.conftest import EXCUSED
from tests.engines.test_conformance import read_when, record
from tests.engines.test_faults import recovered, warm

SERVED = [name for name in engine_services() if name != "sqlite"]


class Servers:
    """The instances of one service."""

    def __init__(self, where: Workspace, service: str) -> None:
        self._where = where
        self._service = service
        self._running: list[tuple[Instance, Popen[bytes]]] = []
        self.instances: Sequence[Instance] = ()

    def start(self) -> None:
        """Start them as after any kind of end; skips or fails where there are none."""
        self.instances, missing = prepared(self._where, [self._service])
        if reason := missing.get(self._service):
            if os.environ.get("WINDTUNNEL_REQUIRE_SERVICES") == "1":
                assert self._service in EXCUSED, reason
            pytest.skip(reason)
        log = self._where.log
        self._running = [(instance, start(instance, log)) for instance in self.instances]
        for instance, process in self._running:
            wait_ready(instance, process)

    def kill(self) -> None:
        for _, process in self._running:
            process.kill()
        for _, process in self._running:
            process.wait()

    def stop(self) -> None:
        for instance, process in self._running:
            stop(instance, process)


def stores_of(service: str, settings: Settings) -> list[Store]:
    return [
        store
        for store in Stores(ENGINES.values(), settings).values()
        if store.engine.service is not None
        and store.engine.service.name == service
        and store.engine.why_missing(store.mode) is None
    ]


async def written(store: Store) -> Record:
    """Open every connection, and leave a record; the first makes the tables, on cold disks."""
    await warm(store)
    original = record()
    await store.create(CallTimes(), original)
    await read_when(store, original.id, original)
    return original


async def outlives(servers: Servers, stores: Sequence[Store]) -> None:
    originals = [await written(store) for store in stores]
    servers.kill()
    for store, original in zip(stores, originals, strict=True):
        if store.is_default:  # drivers that wait for a server cost seconds each
            with pytest.raises(Unavailable):
                await store.read(CallTimes(), original.id)
    servers.start()
    for store, original in zip(stores, originals, strict=True):
        await recovered(store)
        if store.engine.durabilities[store.durability].survives_process_crash:
            assert await store.read(CallTimes(), original.id) == original, store.id


@pytest.mark.timeout(200)
@pytest.mark.parametrize("service", SERVED)
def test_a_killed_database_is_missed_and_found_again(service: str, runner: asyncio.Runner) -> None:
    with workspace() as where, ExitStack() as stack:
        servers = Servers(where, service)
        stack.callback(servers.stop)
        servers.start()
        settings = Settings(addresses=addresses_of(servers.instances), deadline=2.0, connections=3)
        stores = stores_of(service, settings)
        try:
            runner.run(outlives(servers, stores))
        finally:
            for store in stores:
                runner.run(store.close())
