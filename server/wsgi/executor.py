"""Calls on a WSGI worker's own thread, of which a process may have several."""

from __future__ import annotations

import threading
from time import perf_counter
from typing import Any

from server.engines.base import Engine
from server.stores.modes.base import (
    CallTimes,
    Operate,
    OperationExecutor,
    keeps_connection,
    spoils_client,
    translate_error,
)
from server.stores.modes.sync_connections import SyncConnections


class WorkerExecutor(OperationExecutor):
    """The call holds the thread that makes it; each thread has its own connection.

    How many threads there are, and which request waits for one, is up to the WSGI server: nothing
    queues here, and the coroutines never suspend.
    """

    idle = False
    """Other threads may be calling, which is not tracked, so an unused store is not closed."""

    last_used = 0.0

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._connections = SyncConnections(engine)
        self._local = threading.local()
        self._all: list[Any] = []

    async def call(self, times: CallTimes, operate: Operate, *args: Any) -> Any:
        """Run the operation on this thread; see `OperationExecutor.call`."""
        start = perf_counter()
        try:
            db = getattr(self._local, "db", None)
            if db is None:
                db = self._local.db = self._connections.open()
                self._all.append(db)
            return self._connections.run(db, operate, *args)
        except Exception as error:
            failure = translate_error(self.engine, error)
            if not keeps_connection(failure):
                if spoils_client(failure):
                    self._connections.give_up(getattr(self._local, "db", None))
                self._connections.forget_tables()
                self._drop()
            raise failure from failure.__cause__
        finally:
            times.driver = perf_counter() - start

    def _drop(self) -> None:
        db, self._local.db = getattr(self._local, "db", None), None
        if db is not None:
            self._all.remove(db)
            self._connections.drop([db])

    async def close(self) -> None:
        """Close the connections of all threads."""
        self._connections.close(self._all)
        self._all = []
