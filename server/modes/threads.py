"""threads: in an executor with as many threads as connections."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

from server.engines.base import Engine
from server.errors import Unavailable
from server.modes.base import Operate, Times, keeps_connection, late, translated
from server.modes.connections import Connections
from server.modes.queued import Queued, uncancel
from server.waiting import Place


class Threads(Queued):
    """The call runs in an executor of its own, with as many threads as connections."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._connections = Connections(engine)
        self._executor = ThreadPoolExecutor(engine.opening.connections, engine.name)
        self._closed = False

    async def call(self, times: Times, operate: Operate, *args: Any) -> Any:
        """Run the operation in a thread; see `Waiting.call`."""
        start = perf_counter()
        places = self._places
        place = places.free.pop() if places.free else await places.wait(start)
        place.since = start
        place.task = asyncio.current_task(self._loop)
        if places.timer is None:
            places.arm()
        coming: asyncio.Future[Any] = self._loop.create_future()
        self._executor.submit(self._run, coming, times, place, operate, args)
        try:
            return await coming
        except asyncio.CancelledError:
            if not coming.cancelled():
                raise  # from outside, and the place is back already
            overdue, place.task = place.task is None, None
            if not overdue:
                raise
            uncancel(self._loop)
            raise late(self.engine) from None

    def _run(
        self,
        coming: asyncio.Future[Any],
        times: Times,
        place: Place,
        operate: Operate,
        args: tuple[Any, ...],
    ) -> None:
        """Run the operation; in a thread."""
        begun = perf_counter()
        result = error = None
        try:
            db = place.db
            if db is None:
                db = place.db = self._connections.make()
            result = self._connections.run(db, operate, *args)
        except Exception as failure:
            error = failure
        times.wait = begun - place.since
        times.driver = perf_counter() - begun
        try:
            self._loop.call_soon_threadsafe(self._ended, coming, place, result, error)
        except RuntimeError:  # the loop has closed meanwhile
            self._connections.drop([place.db])

    def _ended(
        self, coming: asyncio.Future[Any], place: Place, result: Any, error: Exception | None
    ) -> None:
        """Give the place back, late where the caller has gone, and the result to the caller."""
        if self._closed:  # the caller had gone, and so has the store
            self._connections.drop([place.db])
            place.db = None
        if error is None:
            self._places.put(place)
            if not coming.done():
                coming.set_result(result)
            return
        failure = self._failed(place, error)
        if not coming.done():
            coming.set_exception(failure)

    def _failed(self, place: Place, error: Exception) -> Exception:
        """Give the place back, without its connection where that can be trusted no more."""
        failure = translated(self.engine, error)
        broken = []
        if not keeps_connection(failure):
            broken.append(place.db)
            place.db = None
            if isinstance(failure, Unavailable):
                self._connections.distrust()
                broken += self._places.empty()
        self._places.put(place)
        self._connections.drop(broken)
        return failure

    async def close(self) -> None:
        """Close the connections and end the threads; one that is busy closes its own at its end."""
        self._closed = True
        self._executor.shutdown(wait=False)
        self._connections.close(self._places.empty())
