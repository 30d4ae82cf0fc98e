"""PostgreSQL through asyncpg, which speaks its binary protocol without libpq."""

from __future__ import annotations

import asyncio
from datetime import UTC
from typing import Any

from server.api.enums import Mode
from server.api.record import Record
from server.engines._postgres import Postgres
from server.engines.base import Errors
from server.errors import Unavailable


class PostgresAsyncpg(Postgres):
    """PostgreSQL through asyncpg."""

    name = "postgres-asyncpg"
    title = "PostgreSQL, asyncpg"
    drivers = {Mode.ASYNC: "asyncpg"}
    notes = ("asyncpg prepares each statement on its first use and keeps 100 of them, its default",)

    async def aconnect(self) -> Any:
        """Connect; one round trip where the server asks no password."""
        import asyncpg

        return await asyncpg.connect(
            self.address, timeout=self.deadline, server_settings=self.session()
        )

    async def aclose(self, db: Any) -> None:
        """Close the socket; the server need not answer."""
        db.terminate()
        await asyncio.sleep(0)  # the transport closes in the loop's next turn

    def record(self, row: Any) -> Record:
        """Return the record of a row; asyncpg takes the first instant of year 1 for -infinity."""
        record = Record(*row)
        if record.when.tzinfo is None:
            record.when = record.when.replace(tzinfo=UTC)
        return record

    def errors(self) -> Errors:
        """Return asyncpg's errors that come without a SQLSTATE."""
        from asyncpg.exceptions import InterfaceError, InternalClientError

        return ((InterfaceError, Unavailable), (InternalClientError, Unavailable))
