"""MariaDB or MySQL through asyncmy, PyMySQL's protocol compiled with Cython."""

from __future__ import annotations

from server.api.enums import Mode
from server.engines._mysql import AsyncMySQLSession, MySQL
from server.engines.base import Errors
from server.errors import Invalid, Unavailable


class MySQLAsyncmy(MySQL):
    """MariaDB or MySQL through asyncmy."""

    name = "mysql-asyncmy"
    title = "MariaDB, asyncmy"
    drivers = {Mode.ASYNC: "asyncmy"}
    notes = MySQL.server_notes

    async def aconnect(self) -> AsyncMySQLSession:
        """Connect."""
        import asyncmy

        connection = await asyncmy.connect(**self.settings())
        return AsyncMySQLSession(connection, connection.cursor())

    async def aclose(self, db: AsyncMySQLSession) -> None:
        """Say goodbye where the connection is open, and close it."""
        await db.connection.ensure_closed()

    def errors(self) -> Errors:
        """Return asyncmy's errors."""
        from asyncmy import errors

        return (
            (errors.DataError, Invalid),
            (errors.OperationalError, Unavailable),
            (errors.ProgrammingError, Unavailable),  # the table was dropped
            (errors.InternalError, Unavailable),
            (errors.InterfaceError, Unavailable),
        )
