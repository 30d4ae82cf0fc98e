"""Mode async: a call is awaited natively, on the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from time import perf_counter
from typing import Any

from server.api.enums import Mode
from server.engines.base import Engine
from server.errors import Unavailable
from server.stores.modes.base import (
    CallTimes,
    Operate,
    QueuedExecutor,
    adrive,
    deadline_exceeded,
    keeps_connection,
    spoils_client,
    translate_error,
    uncancel,
)
from server.stores.modes.drivers import import_driver_async
from server.stores.modes.slots import ConnectionSlot

OVERDUE_LIMIT = 3
"""Calls in a row that the deadline ends, after which a shared client is taken to be broken."""


class AsyncExecutor(QueuedExecutor):
    """Each call is awaited natively, on its own connection."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._client: Any = None
        self._prepared = False
        self._lock = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = asyncio.Event()
        self._answered = 0
        self._overdue = (0, 0)
        """How many calls in a row the deadline has ended, and `_answered` at the last of them."""

    @property
    def shares_client(self) -> bool:
        """True while all calls share a client."""
        return self._client is not None

    async def check_client(self, seconds: float) -> str | None:
        """Ask the client that calls share; see `OperationExecutor.check_client`."""
        client, answered = self._client, self._answered
        if client is None or not self._prepared:
            return None
        try:
            await asyncio.wait_for(adrive(self.engine.ping(client)), seconds)
        except Exception as error:
            if answered != self._answered:
                return None
            self._give_up(client)
            return str(translate_error(self.engine, error)) or type(error).__name__
        return None

    def _count_overdue(self) -> None:
        count, answered = self._overdue
        count = count + 1 if answered == self._answered else 1
        self._overdue = (count, self._answered)
        if count >= OVERDUE_LIMIT:
            self._give_up(self._client)

    def _give_up(self, client: Any) -> None:
        """Let the next call open a new client; the old one is closed when its calls have ended."""
        if client is None or client is not self._client:
            return
        self._client, self._prepared, self._overdue = None, False, (0, 0)
        self._slots.forget(client)
        self._start(self._retire(client))

    async def _retire(self, client: Any) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), self.engine.deadline)
        await self._close(client)

    async def call(  # noqa: C901 - one coroutine, because each costs when the driver waits
        self, times: CallTimes, operate: Operate, *args: Any
    ) -> Any:
        """Await the operation; see `OperationExecutor.call`."""
        start = driver_start = perf_counter()
        slots = self._slots
        if slots.free:
            slot = slots.free.pop()
        else:
            slot = await slots.wait(start)
            driver_start = perf_counter()
        slot.since = start
        slot.task = asyncio.current_task(self._loop)
        if slots.timer is None:
            slots.arm()
        try:
            db = slot.db
            if db is None:
                db = slot.db = await self._open()
                driver_start = perf_counter()
            op = operate(db, *args)
            awaitable = next(op)
            while True:  # adrive, without the cost of one more coroutine
                try:
                    value = await awaitable
                except Exception as error:
                    awaitable = op.throw(error)
                else:
                    awaitable = op.send(value)
        except StopIteration as stop:
            slots.put(slot)
            self._answered += 1
            return stop.value
        except asyncio.CancelledError:
            overdue = slot.task is None
            self._replace(slot)
            if not overdue:
                raise
            self._count_overdue()
            uncancel(self._loop)
            raise deadline_exceeded(self.engine) from None
        except Exception as error:
            failure = translate_error(self.engine, error)
            self._put_failed(slot, failure)
            raise failure from failure.__cause__
        finally:
            times.wait = driver_start - start
            times.driver = perf_counter() - driver_start

    async def _open(self) -> Any:
        """Open a connection; the first one makes the tables; a shared client is opened once."""
        if self._prepared and not self.engine.shared:
            return await self.engine.aconnect()
        await import_driver_async(self.engine, Mode.ASYNC)
        async with self._lock:
            db = self._client or await self.engine.aconnect()
            if self.engine.shared:
                self._client = db
            if not self._prepared:
                try:
                    await adrive(self.engine.prepare(db))
                except BaseException:
                    self._drop(db)
                    raise
                self._prepared = True
        return db

    def _put_failed(self, slot: ConnectionSlot, failure: Exception) -> None:
        if keeps_connection(failure):
            self._slots.put(slot)
            return
        if spoils_client(failure):
            self._give_up(slot.db)
        if isinstance(failure, Unavailable):
            self._prepared = False  # the database may have lost its tables
            for idle in self._slots.take_connections():
                self._drop(idle)
        self._replace(slot)

    def _replace(self, slot: ConnectionSlot) -> None:
        """Give the slot back empty and close the connection that was in it."""
        db, slot.db = slot.db, None
        self._slots.put(slot)
        self._drop(db)

    def _drop(self, db: Any) -> None:
        if db is not None and db is not self._client:
            self._start(self._close(db))

    def _start(self, closing: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self, db: Any) -> None:
        with contextlib.suppress(Exception):  # it may be broken already, or hang
            await asyncio.wait_for(self.engine.aclose(db), self.engine.deadline)

    async def close(self) -> None:
        """Close the connections."""
        self._closed.set()
        client, self._client = self._client, None
        connections = {
            id(db): db for db in (*self._slots.take_connections(), client) if db is not None
        }
        for db in connections.values():
            self._drop(db)
        if self._closing:
            await asyncio.wait(self._closing)
