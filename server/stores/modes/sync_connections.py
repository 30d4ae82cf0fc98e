"""Sync connections of a store: opened, watched and closed from any thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable
from typing import Any

from server.api.enums import Mode
from server.engines.base import Engine
from server.stores.modes.base import Operate, deadline_exceeded, drive
from server.stores.modes.drivers import import_driver
from server.stores.modes.watchdog import Watchdog


class SyncConnections:
    """Opens, watches and closes sync connections, from any thread; the first one makes the tables.

    A shared client is opened once, used by every call, and outlives failures: it reconnects itself.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._client: Any = None
        self._prepared = False
        self._lock = threading.Lock()
        severs = type(engine).sever is not Engine.sever
        self._watchdog = Watchdog(engine.deadline, engine.sever) if severs else None

    def open(self) -> Any:
        if self._prepared and not self.engine.shared:
            return self.engine.connect()
        import_driver(self.engine, Mode.BLOCKING)
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
        watchdog = self._watchdog
        if watchdog is None:
            return drive(operate(db, *args))
        watchdog.enter(db)
        try:
            result = drive(operate(db, *args))
        except Exception as error:
            if watchdog.leave(db):
                raise deadline_exceeded(self.engine) from error
            raise
        if watchdog.leave(db):  # answered at the last moment, and severed
            raise deadline_exceeded(self.engine)
        return result

    def forget_tables(self) -> None:
        """Make the tables again before the next call: the database may have lost them."""
        self._prepared = False

    def give_up(self, client: Any) -> None:
        """Close the client that all calls share, if it is still that; the next call opens one."""
        with self._lock:
            if client is None or client is not self._client:
                return
            self._client, self._prepared = None, False
        self.drop([client])

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
