"""What the two drivers over libpq share: parameter style, settings, severing of calls."""

from __future__ import annotations

import contextlib
import math
import os
import re
import socket
from types import ModuleType
from typing import Any

from server.engines._postgres import Postgres
from server.engines.base import Errors
from server.errors import Invalid, Unavailable


class LibpqSession:
    """A sync connection and its one cursor, with asyncpg's method names."""

    __slots__ = ("_cursor", "connection")

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._cursor = connection.cursor()

    def execute(self, statement: str, *args: Any) -> str:
        """Run a statement; return its command tag, such as "UPDATE 1"."""
        cursor = self._cursor
        cursor.execute(statement, args or None)
        return cursor.statusmessage  # type: ignore[no-any-return]

    def fetchrow(self, statement: str, *args: Any) -> Any:
        """Return the first row of a query, or None."""
        cursor = self._cursor
        cursor.execute(statement, args or None)
        return cursor.fetchone()

    def fetch(self, statement: str, *args: Any) -> list[Any]:
        """Return every row of a query."""
        cursor = self._cursor
        cursor.execute(statement, args or None)
        return cursor.fetchall()  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the connection; the server need not answer."""
        self.connection.close()


class Libpq(Postgres):
    """PostgreSQL through a driver over libpq."""

    def statement(self, text: str) -> str:
        """Return a statement with %s for $1, $2, ..., whose numbers must go up in order."""
        return re.sub(r"\$\d+", "%s", text)

    def settings(self) -> dict[str, Any]:
        """Return libpq's connection parameters. Its time-out counts whole seconds, 2 at least."""
        return {
            "options": self.options(),
            "connect_timeout": max(2, math.ceil(self.deadline)),
            "client_encoding": "utf8",
            "application_name": "windtunnel",
        }

    def sever(self, db: LibpqSession) -> None:
        """Shut the socket down, as libpq waits for ever: the call ends in an error at once."""
        with (
            contextlib.suppress(Exception),  # it is closed by now
            socket.socket(fileno=os.dup(db.connection.fileno())) as twin,
        ):
            twin.shutdown(socket.SHUT_RDWR)


def errors_of(driver: ModuleType) -> Errors:
    """Return the errors of a DB-API driver that come without a SQLSTATE."""
    return (
        (driver.DataError, Invalid),
        (driver.OperationalError, Unavailable),
        (driver.InternalError, Unavailable),
        (driver.InterfaceError, Unavailable),
    )
