"""The conformance suite, multiplied over every store that there is, a person's own too.

A test that takes `store` runs once for each store; one that takes `default_store` or `remote`
(modes, faults) once for each engine and mode, at its default durability. Tests may be coroutines:
they run on the loop of `runner`. A store whose database is not available is skipped with the
reason; with WINDTUNNEL_REQUIRE_SERVICES=1 it fails, RethinkDB excepted, whose server no registry
has.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import TypeVar

import pytest

from server.api.enums import Operation
from server.api.record import new_id
from server.errors import Unavailable
from server.settings import Settings
from server.stores import Store, Stores
from server.stores.modes import CallTimes
from tests.databases import ENGINES, Databases, running
from tests.databases import store as open_store
from tests.engines.proxy import MovableProxy, proxied

T = TypeVar("T")

STORES = Stores(ENGINES.values(), Settings())
EXCUSED = {"rethinkdb"}
PATIENCE = 30
PARAMS = ("store_id", "default_store_id", "remote_id")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "stores(glob, ...): run for these stores only")


LEFT_BY_PYMONGO = "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
"""Its async monitor leaves the socket of an attempt that it cancels to the garbage collector, which
comes at any time, in a test of any store. What a store leaves open is counted by tests of its own.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings(LEFT_BY_PYMONGO))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    globs = [glob for mark in metafunc.definition.iter_markers("stores") for glob in mark.args]
    if "store_id" in metafunc.fixturenames:
        store_ids = [name for name in STORES if any(fnmatch(name, glob) for glob in globs or "*")]
        metafunc.parametrize("store_id", store_ids)
    default_stores = [store for store in STORES.values() if store.is_default]
    if "default_store_id" in metafunc.fixturenames:
        metafunc.parametrize("default_store_id", [store.id for store in default_stores])
    if "remote_id" in metafunc.fixturenames:
        served = [store for store in default_stores if store.engine.transport.startswith("TCP")]
        metafunc.parametrize("remote_id", [store.id for store in served])


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    runner = pyfuncitem.funcargs["runner"]
    assert isinstance(runner, asyncio.Runner)
    runner.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture(autouse=True)
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def _services(item: pytest.Item) -> set[str]:
    params = item.callspec.params if hasattr(item, "callspec") else {}
    stores = [STORES[params[name]] for name in PARAMS if name in params]
    return {store.engine.service.name for store in stores if store.engine.service is not None}


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """Every service that a chosen test needs, started side by side."""
    names = {name for item in request.session.items for name in _services(item)}
    with running(sorted(names)) as databases:
        yield databases


def require(databases: Databases, store: Store) -> None:
    """Skip or fail where the store's database is not at hand."""
    reason = databases.why_not(store)
    if reason is None:
        return
    service = store.engine.service
    excused = service is not None and service.name in EXCUSED
    if os.environ.get("WINDTUNNEL_REQUIRE_SERVICES") == "1" and not excused:
        pytest.fail(f"{store.id}: {reason}")
    pytest.skip(reason)


class Opener:
    """Opens stores, and closes them when the test is over."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self._opened: list[Store] = []

    def __call__(
        self, id: str, deadline: float = 10.0, connections: int = 10, url: str | None = None
    ) -> Store:
        """Return a store, at `url` if given; a slow machine gets a long deadline."""
        settings = self._databases.settings(deadline, connections)
        if url is not None:
            engine, durability = STORES[id].engine, STORES[id].durability
            assert engine.service is not None
            key = f"{engine.service.name}_{durability}".upper()
            settings = replace(settings, addresses={**settings.addresses, key: url})
        store = open_store(id, settings)
        require(self._databases, store)
        self._opened.append(store)
        return store

    async def close(self) -> None:
        await asyncio.gather(*(store.close() for store in self._opened))


@pytest.fixture
def opener(databases: Databases, runner: asyncio.Runner) -> Iterator[Opener]:
    opener = Opener(databases)
    yield opener
    runner.run(opener.close())


@pytest.fixture
def store(opener: Opener, store_id: str) -> Store:
    """One store, with whatever earlier tests left in it."""
    return opener(store_id)


@pytest.fixture
def default_store(opener: Opener, default_store_id: str) -> Store:
    """One store of an engine and mode."""
    return opener(default_store_id)


class Remote:
    """A store behind a proxy, and `direct`, the same store beside it."""

    def __init__(self, direct: Store, proxy: MovableProxy, opener: Opener) -> None:
        self.direct = direct
        self.proxy = proxy
        self._opener = opener

    def open(self, deadline: float = 10.0, connections: int = 10) -> Store:
        """Return the store behind the proxy, not yet connected."""
        url = self.proxy.url(self.direct.address)
        return self._opener(self.direct.id, deadline, connections, url)


@pytest.fixture
def remote(opener: Opener, remote_id: str, runner: asyncio.Runner) -> Iterator[Remote]:
    """One store of an engine and mode, behind a proxy; its driver is imported, its tables made."""
    direct = opener(remote_id)
    runner.run(answered(lambda: direct.read(CallTimes(), new_id())))
    with proxied(direct.address) as proxy:
        yield Remote(direct, proxy, opener)


async def answered(call: Callable[[], Awaitable[T]]) -> T:
    """Return what a store answers, once it does so in the time that it is given."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await call()
            except Unavailable:
                await asyncio.sleep(0.05)


def needs(store: Store, *operations: Operation) -> None:
    """Skip what the engine states that it cannot do."""
    for operation in operations:
        if reason := store.engine.not_available.get(operation):
            pytest.skip(f"n/a: {reason}")
