"""worker: on a WSGI worker's own thread, of which a process may have several."""

from __future__ import annotations

import threading
from time import perf_counter
from typing import Any

from server.engines.base import Engine
from server.modes.base import Operate, Times, Waiting, keeps_connection, translated
from server.modes.connections import Connections


class Worker(Waiting):
    """The call holds the thread that makes it; each thread has a connection of its own.

    How many there are is up to who has the threads, and so is who waits for one: nothing here
    queues, and a coroutine of it never suspends.
    """

    idle = False
    """Whether others call meanwhile is not known, so a store is not closed for want of use."""

    used = 0.0

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._connections = Connections(engine)
        self._here = threading.local()
        self._all: list[Any] = []

    async def call(self, times: Times, operate: Operate, *args: Any) -> Any:
        """Run the operation here and now; see `Waiting.call`."""
        start = perf_counter()
        try:
            db = getattr(self._here, "db", None)
            if db is None:
                db = self._here.db = self._connections.make()
                self._all.append(db)
            return self._connections.run(db, operate, *args)
        except Exception as error:
            failure = translated(self.engine, error)
            if not keeps_connection(failure):
                self._connections.distrust()
                self._drop()
            raise failure from failure.__cause__
        finally:
            times.driver = perf_counter() - start

    def _drop(self) -> None:
        db, self._here.db = getattr(self._here, "db", None), None
        if db is not None:
            self._all.remove(db)
            self._connections.drop([db])

    async def close(self) -> None:
        """Close the connections of all threads."""
        self._connections.close(self._all)
        self._all = []
