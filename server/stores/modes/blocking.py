"""Mode blocking: a call runs on the event loop's thread and holds it."""

from __future__ import annotations

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


class BlockingExecutor(OperationExecutor):
    """The call holds the event loop until the database has answered. One connection."""

    single_connection = True
    idle = True
    last_used = 0.0

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._connections = SyncConnections(engine)
        self._db: Any = None

    async def call(self, times: CallTimes, operate: Operate, *args: Any) -> Any:
        """Run the operation on this thread; see `OperationExecutor.call`."""
        self.last_used = start = perf_counter()
        try:
            db = self._db
            if db is None:
                db = self._db = self._connections.open()
            return self._connections.run(db, operate, *args)
        except Exception as error:
            failure = translate_error(self.engine, error)
            if not keeps_connection(failure):
                if spoils_client(failure):
                    self._connections.give_up(self._db)
                self._connections.forget_tables()
                self._connections.drop([self._db])
                self._db = None
            raise failure from failure.__cause__
        finally:
            times.driver = perf_counter() - start

    async def close(self) -> None:
        """Close the connection."""
        self._connections.close([self._db])
        self._db = None
