"""Sync connections: made, watched and closed from whichever thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable
from typing import Any

from server.engines.base import Engine
from server.modes.base import Operate, drive, late
from server.waiting import Watchdog


class Connections:
    """Makes, watches and closes sync connections, from whichever thread; the tables are made once.

    A shared client is made once, handed out to all, and outlives every failure: it mends itself.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._client: Any = None
        self._prepared = False
        self._lock = threading.Lock()
        watched = type(engine).sever is not Engine.sever
        self._watchdog = Watchdog(engine.deadline, engine.sever) if watched else None

    def make(self) -> Any:
        if self._prepared and not self.engine.shared:
            return self.engine.connect()
        with self._lock:
            db = self._client or self.engine.connect()
            if self.engine.shared:
                self._client = db
            if not self._prepared:
                try:
                    self.run(db, self.engine.prepare)
                except BaseException:
                    self.drop([db])
                    raise
                self._prepared = True
        return db

    def run(self, db: Any, operate: Operate, *args: Any) -> Any:
        dog = self._watchdog
        if dog is None:
            return drive(operate(db, *args))
        dog.enter(db)
        try:
            result = drive(operate(db, *args))
        except Exception as error:
            if dog.leave(db):
                raise late(self.engine) from error
            raise
        if dog.leave(db):  # answered in the last moment: nothing can be asked on it any more
            raise late(self.engine)
        return result

    def distrust(self) -> None:
        """Make the tables anew before they are used again: the database may have lost them."""
        self._prepared = False

    def drop(self, connections: Iterable[Any]) -> None:
        for db in connections:
            if db is not self._client and db is not None:
                with contextlib.suppress(Exception):  # it may be broken already
                    self.engine.close(db)

    def close(self, connections: Iterable[Any] = ()) -> None:
        client, self._client = self._client, None
        self.drop({id(db): db for db in (*connections, client)}.values())
        if self._watchdog is not None:
            self._watchdog.close()
