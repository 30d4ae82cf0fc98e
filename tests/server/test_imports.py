"""Drivers are imported once and one at a time, wherever they are first needed."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from server.stores import Store
from tests.engines.conftest import STORES
from tests.server.conftest import serving

DEFAULT_STORES = [store for store in STORES.values() if store.is_default]

ENGINE = """
from server.engines.memory import Memory
from server.engines import Mode

class {name}(Memory):
    name = "{name}"
    drivers = dict.fromkeys(Mode, "{name}")
"""


def install(folder: Path, name: str, other: str) -> None:
    """Make a driver that imports another one, slowly."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(
        f"import importlib, time; time.sleep(0.3); importlib.import_module({other!r})"
    )
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"{name}/__init__.py,,\n{name}-1.0.dist-info/METADATA,,\n")


def test_drivers_that_import_each_other_do_not_deadlock(tmp_path: Path) -> None:
    packages, engines = tmp_path / "packages", tmp_path / "engines"
    packages.mkdir()
    engines.mkdir()
    for name, other in (("ping_driver", "pong_driver"), ("pong_driver", "ping_driver")):
        install(packages, name, other)
        (engines / f"{name}.py").write_text(ENGINE.format(name=name))
    with serving(WINDTUNNEL_ENGINES=str(engines), PYTHONPATH=str(packages)) as server:
        stores = server.call("GET", "/stores").json["stores"]
    states = {s["id"]: (s["status"], s["detail"]) for s in stores if "_driver" in s["id"]}
    assert len(states) == 6
    assert set(states.values()) == {("up", None)}, states


def test_the_first_list_of_several_servers_loses_no_driver() -> None:
    """There is no database: each says so by itself, not the machinery that imports its driver."""
    nowhere = {
        f"WINDTUNNEL_{name}_URL": f"{scheme}127.0.0.1:9"
        for name, scheme in (
            ("POSTGRES", ""), ("MYSQL", ""), ("REDIS", ""), ("MONGO", ""), ("MEMCACHED", ""),
            ("RETHINKDB", ""), ("ELASTICSEARCH", "http://"),
        )
    }  # fmt: skip
    with ExitStack() as stack, ThreadPoolExecutor(3) as pool:
        servers = [stack.enter_context(serving(**nowhere)) for _ in range(3)]
        answers = list(pool.map(lambda server: server.call("GET", "/stores").json, servers))
    for answer in answers:
        for store in answer["stores"]:
            detail = store["detail"] or ""
            assert "probe failed" not in detail, store
            assert "import" not in detail, store


PROGRAM = """
import asyncio, contextlib, sys
from server.api.enums import Mode
from server.engines import discover
from server.engines.base import Opening
from server.stores.modes.drivers import import_driver

async def aconnect():
    async with asyncio.timeout(1):
        await engine.aclose(await engine.aconnect())

name, mode, address = sys.argv[1:]
cls = discover()[name]
engine = cls(Opening("records", cls.default_durability(), address, 1, 0.5))
import_driver(engine, Mode(mode))
before = set(sys.modules)
with contextlib.suppress(Exception):
    engine.errors()
    asyncio.run(aconnect()) if mode == "async" else engine.close(engine.connect())
print(*sorted({m.partition(".")[0] for m in set(sys.modules) - before} - sys.stdlib_module_names))
"""


@pytest.mark.parametrize("store", DEFAULT_STORES, ids=lambda store: store.id)
def test_connecting_imports_nothing_more(store: Store, tmp_path: Path) -> None:
    if reason := store.engine.why_missing(store.mode):
        pytest.skip(reason)
    address = store.address
    if service := store.engine.service:
        scheme = "http://" if service.name == "elasticsearch" else ""
        is_file = service.name == "sqlite"
        address = str(tmp_path) if is_file else service.read_address(f"{scheme}127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, store.engine.name, store.mode, address],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
