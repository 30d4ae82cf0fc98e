"""What is done to a database beside the measured operations, on a connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distribution
from typing import Any

from server.api.enums import Mode
from server.engines.base import Engine
from server.modes import adrive, drive, translated

PROBES = ThreadPoolExecutor(32, "probe")
"""Threads of their own: those of the default executor are few, and a database may hang."""


async def run(engine: Engine, mode: Mode, name: str, *args: Any) -> Any:
    """Prepare, then run the engine's `name`; raises Problem.

    It never holds the loop. It ends in the engine's deadline (a sync driver gets twice that, as
    its time-out counts single calls).
    """
    try:
        if mode is Mode.ASYNC:
            return await asyncio.wait_for(_aonce(engine, name, args), engine.deadline)
        thread = asyncio.to_thread(_once, engine, name, args)
        return await asyncio.wait_for(thread, 2 * engine.deadline)
    except Exception as error:
        failure = translated(engine, error)
        raise failure from failure.__cause__


async def probe(engine: Engine, mode: Mode, begun: asyncio.Event) -> str:
    """Return the database's name and version; raises Problem.

    In a thread, async drivers too, because the first probe imports the driver, which takes up to
    a second; `begun` is set when that is done.
    """
    loop = asyncio.get_running_loop()

    def import_and_ask() -> str:
        load(engine.drivers[mode])
        with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
            loop.call_soon_threadsafe(begun.set)
        return _ask(engine, mode)

    try:
        return await loop.run_in_executor(PROBES, import_and_ask)
    except Exception as error:
        failure = translated(engine, error)
        raise failure from failure.__cause__


def load(driver: str) -> None:
    """Import the packages of a driver's distribution ('' where Python has it)."""
    if not driver:
        return
    for path in distribution(driver).files or ():
        if len(path.parts) == 2 and path.name == "__init__.py":
            importlib.import_module(path.parts[0])


def _ask(engine: Engine, mode: Mode) -> str:
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


def _once(engine: Engine, name: str, args: tuple[Any, ...]) -> Any:
    db = engine.connect()
    try:
        drive(engine.prepare(db))
        return drive(getattr(engine, name)(db, *args))
    finally:
        engine.close(db)


async def _aonce(engine: Engine, name: str, args: tuple[Any, ...]) -> Any:
    db = await engine.aconnect()
    try:
        await adrive(engine.prepare(db))
        return await adrive(getattr(engine, name)(db, *args))
    finally:
        await engine.aclose(db)
