"""MariaDB or MySQL through PyMySQL, and aiomysql, which is PyMySQL over asyncio's streams."""

from __future__ import annotations

from server.api.enums import Mode
from server.engines._mysql import AsyncMySQLSession, MySQL, MySQLSession
from server.engines.base import Errors
from server.errors import Invalid, Unavailable


class MySQLPyMySQL(MySQL):
    """MariaDB or MySQL through PyMySQL and aiomysql."""

    name = "mysql-pymysql"
    title = "MariaDB, PyMySQL/aiomysql"
    drivers = {Mode.BLOCKING: "PyMySQL", Mode.THREADS: "PyMySQL", Mode.ASYNC: "aiomysql"}
    notes = MySQL.server_notes

    def connect(self) -> MySQLSession:
        """Connect; each read and write of the socket has the deadline."""
        import pymysql

        settings = self.settings() | {"read_timeout": self.deadline, "write_timeout": self.deadline}
        settings["database"] = settings.pop("db")
        return MySQLSession(pymysql.connect(**settings))

    async def aconnect(self) -> AsyncMySQLSession:
        """Connect; a cancelled attempt leaves no socket behind, as `aiomysql.connect` does."""
        import aiomysql

        connection = aiomysql.Connection(**self.settings())
        try:
            await connection._connect()
        except BaseException:
            connection.close()
            raise
        return AsyncMySQLSession(connection, await connection.cursor())

    def close(self, db: MySQLSession) -> None:
        """Say goodbye where the connection is open, and close it."""
        if db.connection.open:
            db.connection.close()

    async def aclose(self, db: AsyncMySQLSession) -> None:
        """Say goodbye where the connection is open, and close it."""
        try:
            await db.connection.ensure_closed()
        finally:
            db.connection.close()

    def errors(self) -> Errors:
        """Return PyMySQL's errors, which are aiomysql's too."""
        from pymysql import err

        return (
            (err.DataError, Invalid),
            (err.OperationalError, Unavailable),
            (err.ProgrammingError, Unavailable),  # the table was dropped
            (err.InternalError, Unavailable),
            (err.InterfaceError, Unavailable),
        )
