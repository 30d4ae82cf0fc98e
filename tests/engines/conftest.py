"""The conformance suite, multiplied over every store that `discover` finds.

A test that takes `store` runs once for each store; one that takes `waiting` (what a mode does,
faults) once for each engine and mode, at its default durability. Tests may be coroutines: they
run on the loop of `runner`. A store whose database is not at hand is skipped with the reason; with
WINDTUNNEL_REQUIRE_SERVICES=1 it fails, RethinkDB excepted, whose server no registry has.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Iterator

import pytest

from server.engines import discover
from server.settings import Settings
from server.stores import Store, Stores
from server.words import Operation
from tests.databases import Databases, running
from tests.databases import store as open_store

STORES = Stores(discover().values(), Settings())
EXCUSED = {"rethinkdb"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store_id" in metafunc.fixturenames:
        metafunc.parametrize("store_id", list(STORES))
    if "waiting_id" in metafunc.fixturenames:
        metafunc.parametrize("waiting_id", [s.id for s in STORES.values() if s.default])


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in wanted}
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
    stores = [STORES[params[name]] for name in ("store_id", "waiting_id") if name in params]
    return {store.engine.service.name for store in stores if store.engine.service is not None}


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """Every service that a chosen test needs, started side by side."""
    wanted = {name for item in request.session.items for name in _services(item)}
    with running(sorted(wanted)) as databases:
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


@pytest.fixture
def store(databases: Databases, store_id: str, runner: asyncio.Runner) -> Iterator[Store]:
    """One store, with whatever earlier tests left in it."""
    opened = open_store(store_id, databases.settings())
    require(databases, opened)
    yield opened
    runner.run(opened.close())


@pytest.fixture
def waiting(databases: Databases, waiting_id: str, runner: asyncio.Runner) -> Iterator[Store]:
    """One store of an engine and mode."""
    opened = open_store(waiting_id, databases.settings())
    require(databases, opened)
    yield opened
    runner.run(opened.close())


def needs(store: Store, *operations: Operation) -> None:
    """Skip what the engine states that it cannot do."""
    for operation in operations:
        if reason := store.engine.not_available.get(operation):
            pytest.skip(f"n/a: {reason}")
