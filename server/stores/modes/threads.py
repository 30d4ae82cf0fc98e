"""Mode threads: a call runs in an executor with as many threads as connections."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

from server.engines.base import Engine
from server.errors import Unavailable
from server.stores.modes.base import (
    CallTimes,
    Operate,
    QueuedExecutor,
    deadline_exceeded,
    keeps_connection,
    spoils_client,
    translate_error,
    uncancel,
)
from server.stores.modes.slots import ConnectionSlot
from server.stores.modes.sync_connections import SyncConnections


class ThreadExecutor(QueuedExecutor):
    """The call runs in the store's own executor, with as many threads as connections."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._connections = SyncConnections(engine)
        self._threads = ThreadPoolExecutor(engine.opening.connections, engine.name)
        self._closed = False

    async def call(self, times: CallTimes, operate: Operate, *args: Any) -> Any:
        """Run the operation in a thread; see `OperationExecutor.call`."""
        start = perf_counter()
        slots = self._slots
        slot = slots.free.pop() if slots.free else await slots.wait(start)
        slot.since = start
        slot.task = asyncio.current_task(self._loop)
        if slots.timer is None:
            slots.arm()
        future: asyncio.Future[Any] = self._loop.create_future()
        self._threads.submit(self._run, future, times, slot, operate, args)
        try:
            return await future
        except asyncio.CancelledError:
            if not future.cancelled():
                raise  # from outside, and the slot is back already
            overdue, slot.task = slot.task is None, None
            if not overdue:
                raise
            uncancel(self._loop)
            raise deadline_exceeded(self.engine) from None

    def _run(
        self,
        future: asyncio.Future[Any],
        times: CallTimes,
        slot: ConnectionSlot,
        operate: Operate,
        args: tuple[Any, ...],
    ) -> None:
        """Run the operation; in a thread."""
        begin = perf_counter()
        result = error = None
        try:
            db = slot.db
            if db is None:
                db = slot.db = self._connections.open()
            result = self._connections.run(db, operate, *args)
        except Exception as failure:
            error = failure
        times.wait = begin - slot.since
        times.driver = perf_counter() - begin
        try:
            self._loop.call_soon_threadsafe(self._finish, future, slot, result, error)
        except RuntimeError:  # the loop is closed by now
            self._connections.drop([slot.db])

    def _finish(
        self,
        future: asyncio.Future[Any],
        slot: ConnectionSlot,
        result: Any,
        error: Exception | None,
    ) -> None:
        """Give the slot back, and the result to the caller unless it has gone."""
        if self._closed:  # the caller has gone, and the store is closed
            self._connections.drop([slot.db])
            slot.db = None
        if error is None:
            self._slots.put(slot)
            if not future.done():
                future.set_result(result)
            return
        failure = self._put_failed(slot, error)
        if not future.done():
            future.set_exception(failure)

    def _put_failed(self, slot: ConnectionSlot, error: Exception) -> Exception:
        """Give the slot back, without a broken connection; return the translated error."""
        failure = translate_error(self.engine, error)
        broken = []
        if not keeps_connection(failure):
            if spoils_client(failure):
                self._connections.give_up(slot.db)
            broken.append(slot.db)
            slot.db = None
            if isinstance(failure, Unavailable):
                self._connections.forget_tables()
                broken += self._slots.take_connections()
        self._slots.put(slot)
        self._connections.drop(broken)
        return failure

    async def close(self) -> None:
        """Close the connections and end the threads; a busy thread closes its own when it ends."""
        self._closed = True
        self._threads.shutdown(wait=False)
        self._connections.close(self._slots.take_connections())
