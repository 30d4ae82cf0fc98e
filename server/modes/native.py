"""async: awaited natively."""

from __future__ import annotations

import asyncio
import contextlib
from time import perf_counter
from typing import Any

from server.engines.base import Engine
from server.errors import Unavailable
from server.modes.base import Operate, Times, adrive, keeps_connection, late, translated
from server.modes.queued import Queued, uncancel
from server.waiting import Place


class Async(Queued):
    """The call is awaited natively, each on a connection of its own."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._client: Any = None
        self._prepared = False
        self._lock = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    async def call(  # noqa: C901 - one coroutine, because each costs when the driver waits
        self, times: Times, operate: Operate, *args: Any
    ) -> Any:
        """Await the operation; see `Waiting.call`."""
        start = begun = perf_counter()
        places = self._places
        if places.free:
            place = places.free.pop()
        else:
            place = await places.wait(start)
            begun = perf_counter()
        place.since = start
        place.task = asyncio.current_task(self._loop)
        if places.timer is None:
            places.arm()
        try:
            db = place.db
            if db is None:
                db = place.db = await self._make()
                begun = perf_counter()
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
            places.put(place)
            return stop.value
        except asyncio.CancelledError:
            overdue = place.task is None
            self._replace(place)
            if not overdue:
                raise
            uncancel(self._loop)
            raise late(self.engine) from None
        except Exception as error:
            failure = translated(self.engine, error)
            self._back(place, failure)
            raise failure from failure.__cause__
        finally:
            times.wait = begun - start
            times.driver = perf_counter() - begun

    async def _make(self) -> Any:
        """Make a connection; the first one makes the tables; a shared client is made once."""
        if self._prepared and not self.engine.shared:
            return await self.engine.aconnect()
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

    def _back(self, place: Place, failure: Exception) -> None:
        if keeps_connection(failure):
            self._places.put(place)
            return
        if isinstance(failure, Unavailable):
            self._prepared = False  # the database may have lost its tables
            for idle in self._places.empty():
                self._drop(idle)
        self._replace(place)

    def _replace(self, place: Place) -> None:
        """Give the place back empty and close the connection that was in it."""
        db, place.db = place.db, None
        self._places.put(place)
        self._drop(db)

    def _drop(self, db: Any) -> None:
        if db is not None and db is not self._client:
            closing = self._loop.create_task(self._close(db))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _close(self, db: Any) -> None:
        with contextlib.suppress(Exception):  # it may be broken already, or hang
            await asyncio.wait_for(self.engine.aclose(db), self.engine.deadline)

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        connections = {id(db): db for db in (*self._places.empty(), client) if db is not None}
        for db in connections.values():
            self._drop(db)
        if self._closing:
            await asyncio.wait(self._closing)
