"""blocking: on the event loop's thread."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from server.engines.base import Engine
from server.modes.base import Operate, Times, Waiting, keeps_connection, translated
from server.modes.connections import Connections


class Blocking(Waiting):
    """The call holds the event loop until the database has answered. One connection."""

    lone = True
    idle = True
    used = 0.0

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._connections = Connections(engine)
        self._db: Any = None

    async def call(self, times: Times, operate: Operate, *args: Any) -> Any:
        """Run the operation here and now; see `Waiting.call`."""
        self.used = start = perf_counter()
        try:
            db = self._db
            if db is None:
                db = self._db = self._connections.make()
            return self._connections.run(db, operate, *args)
        except Exception as error:
            failure = translated(self.engine, error)
            if not keeps_connection(failure):
                self._connections.distrust()
                self._connections.drop([self._db])
                self._db = None
            raise failure from failure.__cause__
        finally:
            times.driver = perf_counter() - start

    async def close(self) -> None:
        """Close the connection."""
        self._connections.close([self._db])
        self._db = None
