"""Imports drivers, one at a time: packages that import each other deadlock in two threads."""

from __future__ import annotations

import asyncio
import importlib
import threading
from importlib.metadata import distribution

from server.api.enums import Mode
from server.engines.base import Engine
from server.errors import Unavailable

_lock = threading.Lock()
_imported: set[tuple[type[Engine], Mode]] = set()


def import_driver(engine: Engine, mode: Mode) -> None:
    """Import all that the engine's driver needs in `mode`, which may take a second.

    Raises Unavailable for a driver that cannot be imported.
    """
    key = (type(engine), mode)
    if key in _imported:
        return
    with _lock:
        try:
            for module in (*_packages(engine.drivers[mode]), *engine.imports.get(mode, ())):
                importlib.import_module(module)
            engine.errors()
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise Unavailable(
                f"{engine.title}: its driver cannot be imported: {reason[:300]}"
            ) from error
        _imported.add(key)


async def import_driver_async(engine: Engine, mode: Mode) -> None:
    """Import as `import_driver` does, in a thread of its own, so that the loop goes on."""
    if (type(engine), mode) in _imported:
        return
    loop = asyncio.get_running_loop()
    result: asyncio.Future[None] = loop.create_future()

    def finish(error: Exception | None) -> None:
        if result.done():
            return
        if error is None:
            result.set_result(None)
        else:
            result.set_exception(error)

    def run() -> None:
        error = None
        try:
            import_driver(engine, mode)
        except Unavailable as failure:
            error = failure
        if not loop.is_closed():
            loop.call_soon_threadsafe(finish, error)

    threading.Thread(target=run, name="import", daemon=True).start()
    await result


def _packages(driver: str) -> list[str]:
    """Return the packages of a driver's distribution, none for a driver in the standard library."""
    files = (distribution(driver).files or ()) if driver else ()
    names = {f.parts[0] for f in files if len(f.parts) == 2 and f.name == "__init__.py"}
    return sorted(names)
