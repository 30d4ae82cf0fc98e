"""PostgreSQL through psycopg 3, sync and async."""

from __future__ import annotations

import functools
from traceback import clear_frames
from typing import Any

from server.api.enums import Mode
from server.engines._libpq import Libpq, LibpqSession, errors_of
from server.engines.base import Errors


class AsyncPsycopgSession:
    """An async connection and its one cursor, with asyncpg's method names."""

    __slots__ = ("_cursor", "connection")

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._cursor = connection.cursor()

    async def execute(self, statement: str, *args: Any) -> str:
        """Run a statement; return its command tag, such as "UPDATE 1"."""
        cursor = self._cursor
        await cursor.execute(statement, args or None)
        return cursor.statusmessage  # type: ignore[no-any-return]

    async def fetchrow(self, statement: str, *args: Any) -> Any:
        """Return the first row of a query, or None."""
        cursor = self._cursor
        await cursor.execute(statement, args or None)
        return await cursor.fetchone()

    async def fetch(self, statement: str, *args: Any) -> list[Any]:
        """Return every row of a query."""
        cursor = self._cursor
        await cursor.execute(statement, args or None)
        return await cursor.fetchall()  # type: ignore[no-any-return]

    async def close(self) -> None:
        """Close the connection; the server need not answer."""
        await self.connection.close()


@functools.cache
def _connection_class() -> Any:
    """Return the async connection's class, which on cancellation closes instead of waiting.

    psycopg asks the server to cancel, and waits up to 10 s for a server that hangs.
    """
    import asyncio

    from psycopg import AsyncConnection, waiting

    class CancellableConnection(AsyncConnection[Any]):
        async def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
            try:
                return await waiting.wait_async(
                    gen, self.pgconn.socket, interval=interval, timeout=timeout
                )
            except asyncio.CancelledError:
                self.pgconn.finish()
                raise

    return CancellableConnection


class PostgresPsycopg(Libpq):
    """PostgreSQL through psycopg 3."""

    name = "postgres-psycopg"
    title = "PostgreSQL, psycopg 3"
    drivers = dict.fromkeys(Mode, "psycopg")
    notes = ("psycopg 3 prepares a statement on its sixth use, its default",)

    def connect(self) -> LibpqSession:
        """Connect; one round trip where the server asks no password."""
        import psycopg

        return LibpqSession(psycopg.connect(self.address, autocommit=True, **self.settings()))

    async def aconnect(self) -> AsyncPsycopgSession:
        """Connect; one round trip where the server asks no password."""
        connect = _connection_class().connect
        try:
            connection = await connect(self.address, autocommit=True, **self.settings())
        except BaseException as error:
            clear_frames(error.__traceback__)  # they keep the socket of a cancelled attempt open
            raise
        return AsyncPsycopgSession(connection)

    def errors(self) -> Errors:
        """Return psycopg's errors."""
        import psycopg

        return errors_of(psycopg)
