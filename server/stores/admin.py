"""Resets, seedings and probes of databases, on connections apart from those that are measured."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from server.api.enums import Mode
from server.engines.base import Engine
from server.stores.modes import adrive, drive, translate_error
from server.stores.modes.drivers import import_driver, import_driver_async

_PROBE_THREADS = ThreadPoolExecutor(32, "probe")
"""Not the default executor: its threads are few, and a database may hang."""


async def run_unmeasured(engine: Engine, mode: Mode, name: str, *args: Any) -> Any:
    """Prepare the tables, then run the engine's operation `name`; raises Problem.

    Never holds the loop. Ends within the engine's deadline (a sync driver gets twice that, as its
    time-out is for single calls).
    """
    try:
        await import_driver_async(engine, mode)
        if mode is Mode.ASYNC:
            return await asyncio.wait_for(_arun_once(engine, name, args), engine.deadline)
        thread = asyncio.to_thread(_run_once, engine, name, args)
        return await asyncio.wait_for(thread, 2 * engine.deadline)
    except Exception as error:
        failure = translate_error(engine, error)
        raise failure from failure.__cause__


async def probe_database(engine: Engine, mode: Mode, imported: asyncio.Event) -> str:
    """Return the database's name and version; raises Problem.

    Runs in a thread, async drivers too, as the first probe imports the driver, which takes up to a
    second; `imported` is set after that.
    """
    loop = asyncio.get_running_loop()

    def import_and_ping() -> str:
        import_driver(engine, mode)
        with contextlib.suppress(RuntimeError):  # the loop is closed by now
            loop.call_soon_threadsafe(imported.set)
        return _ping(engine, mode)

    try:
        return await loop.run_in_executor(_PROBE_THREADS, import_and_ping)
    except Exception as error:
        failure = translate_error(engine, error)
        raise failure from failure.__cause__


def _ping(engine: Engine, mode: Mode) -> str:
    if mode is Mode.ASYNC:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(asyncio.wait_for(_aping(engine), engine.deadline))
    db = engine.connect()
    try:
        with _severed_after(engine.deadline, engine.sever, db):
            return drive(engine.ping(db))
    finally:
        engine.close(db)


@contextlib.contextmanager
def _severed_after(seconds: float, sever: Callable[[Any], None], db: Any) -> Iterator[None]:
    timer = threading.Timer(seconds, sever, [db])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


async def _aping(engine: Engine) -> str:
    db = await engine.aconnect()
    try:
        return await adrive(engine.ping(db))
    finally:
        await engine.aclose(db)


def _run_once(engine: Engine, name: str, args: tuple[Any, ...]) -> Any:
    db = engine.connect()
    try:
        drive(engine.prepare(db))
        return drive(getattr(engine, name)(db, *args))
    finally:
        engine.close(db)


async def _arun_once(engine: Engine, name: str, args: tuple[Any, ...]) -> Any:
    db = await engine.aconnect()
    try:
        await adrive(engine.prepare(db))
        return await adrive(getattr(engine, name)(db, *args))
    finally:
        await engine.aclose(db)
