"""What the MariaDB and MySQL engines share: the tables, the statements, the connection.

`db` is a `Session` or an `AsyncSession`: a connection and its one cursor.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec

from server.addresses import UrlForm
from server.api.enums import Durability, Operation
from server.api.record import Record, TagSummary
from server.engines.base import Engine, Op, Opening, Promise, Service
from server.errors import Unavailable

URL_FORM = UrlForm(
    {"mysql": "mysql", "mariadb": "mysql"},
    3306,
    "[^/]+",
    parameters={"charset": frozenset({"utf8mb4"})},  # what the tables are made with
)

SERVICE = Service(
    "mysql",
    {
        Durability.FAST: "mysql://root@127.0.0.1:13306/windtunnel",
        Durability.SAFE: "mysql://root@127.0.0.1:13307/windtunnel",
    },
    URL_FORM.normalize,
)

FLUSH = {Durability.FAST: 2, Durability.SAFE: 1}
"""innodb_flush_log_at_trx_commit, which holds for a whole server: each durability has its own."""

_RECORDS = """
CREATE TABLE IF NOT EXISTS {} (
    id CHAR(24) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
    topic TEXT NOT NULL,
    `when` DATETIME(3) NOT NULL,
    duration DOUBLE NOT NULL,
    tags JSON NOT NULL,
    INDEX (duration)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin
"""
_SUMMARY = """
CREATE TABLE IF NOT EXISTS {} (
    number INT PRIMARY KEY, tag VARCHAR(200) NOT NULL, duration DOUBLE NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin
"""
_COLUMNS = "id, topic, `when`, duration, tags"
_DIGITS = "(SELECT 0 n" + "".join(f" UNION ALL SELECT {n}" for n in range(1, 10)) + ")"
_ACCESS_DENIED = 1227
_FOUND_ROWS = 2  # CLIENT_FOUND_ROWS of the protocol

_encode_tags = msgspec.json.Encoder().encode
_decode_tags = msgspec.json.Decoder(list[str]).decode


class MySQLSession:
    """A sync connection and its one cursor."""

    __slots__ = ("_cursor", "connection")

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._cursor = connection.cursor()

    def run(self, statement: str, *args: Any) -> int:
        """Run a statement; return how many rows it matched."""
        return self._cursor.execute(statement, args or None)  # type: ignore[no-any-return]

    def row(self, statement: str, *args: Any) -> Any:
        """Return the first row of a query, or None."""
        self._cursor.execute(statement, args or None)
        return self._cursor.fetchone()

    def rows(self, statement: str, *args: Any) -> Sequence[Any]:
        """Return every row of a query."""
        self._cursor.execute(statement, args or None)
        return self._cursor.fetchall()  # type: ignore[no-any-return]

    def insert_many(self, statement: str, rows: Sequence[Any]) -> None:
        """Insert rows, as many in a statement as the driver batches."""
        self._cursor.executemany(statement, rows)


class AsyncMySQLSession:
    """An async connection and its one cursor, with the same method names."""

    __slots__ = ("_cursor", "connection")

    def __init__(self, connection: Any, cursor: Any) -> None:
        self.connection = connection
        self._cursor = cursor

    async def run(self, statement: str, *args: Any) -> int:
        """Run a statement; return how many rows it matched."""
        return await self._cursor.execute(statement, args or None)  # type: ignore[no-any-return]

    async def row(self, statement: str, *args: Any) -> Any:
        """Return the first row of a query, or None."""
        await self._cursor.execute(statement, args or None)
        return await self._cursor.fetchone()

    async def rows(self, statement: str, *args: Any) -> Sequence[Any]:
        """Return every row of a query."""
        await self._cursor.execute(statement, args or None)
        return await self._cursor.fetchall()  # type: ignore[no-any-return]

    async def insert_many(self, statement: str, rows: Sequence[Any]) -> None:
        """Insert rows, as many in a statement as the driver batches."""
        await self._cursor.executemany(statement, rows)


def _values(record: Record) -> tuple[str, datetime, float, str]:
    when = record.when.replace(tzinfo=None)
    return record.topic, when, record.duration, _encode_tags(record.tags).decode()


def _record(row: tuple[str, str, datetime, float, str]) -> Record:
    return Record(row[0], row[1], row[2].replace(tzinfo=UTC), row[3], _decode_tags(row[4]))


class MySQL(Engine):
    """A table of each store's own in MariaDB or MySQL; each statement commits by itself."""

    service = SERVICE
    durabilities = {
        Durability.FAST: Promise("innodb_flush_log_at_trx_commit=2", True, False),
        Durability.SAFE: Promise("innodb_flush_log_at_trx_commit=1", True, True),
    }
    round_trips = dict.fromkeys(Operation, 1) | {Operation.EDIT: 2}
    codec = "columns; when as DATETIME(3), tags as JSON (msgspec)"
    server_notes: ClassVar[tuple[str, ...]] = (
        "the driver puts parameters into the statement's text itself and prepares nothing",
        "MariaDB and MySQL keep no sign of zero: -0.0 comes back as 0.0",
    )

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        table = self.collection
        self._summary_table = f"{table}_summary"
        self._insert = f"INSERT INTO {table} ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s)"  # noqa: S608
        self._select = f"SELECT {_COLUMNS} FROM {table} WHERE id = %s"  # noqa: S608
        self._set = (
            f"UPDATE {table} SET topic = %s, `when` = %s, duration = %s, tags = %s WHERE id = %s"  # noqa: S608
        )
        self._remove = f"DELETE FROM {table} WHERE id = %s"  # noqa: S608
        self._longer = (
            f"SELECT {_COLUMNS} FROM {table} WHERE duration > %s ORDER BY `when` DESC LIMIT %s"  # noqa: S608
        )
        self._by_tag = (
            f"SELECT tag, COUNT(*), AVG(duration), MAX(duration) FROM {self._summary_table}"  # noqa: S608
            " GROUP BY tag ORDER BY tag"
        )

    def settings(self) -> dict[str, Any]:
        """Return the connection settings of all three drivers.

        The server ends a statement and a wait for a lock at the deadline too, so that it does no
        work in vain: one round trip on connecting. FOUND_ROWS makes an update count the rows
        that it found, not only those that it changed.
        """
        url = URL_FORM.read(self.address)
        lock_wait, statement = max(1, round(self.deadline)), self.deadline
        return {
            "host": url.host,
            "port": url.port,
            "user": url.username or "root",
            "password": url.password or "",
            "db": url.path or "windtunnel",
            "charset": "utf8mb4",
            "autocommit": True,
            "client_flag": _FOUND_ROWS,
            "connect_timeout": self.deadline,
            "init_command": f"SET innodb_lock_wait_timeout={lock_wait}"
            f" /*M! , max_statement_time={statement} */",
        }

    def prepare(self, db: Any) -> Op[None]:
        """Make the tables; refuse a server that does not flush its log as promised."""
        tables, flush = yield db.row(
            "SELECT COUNT(*), @@innodb_flush_log_at_trx_commit FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND table_name IN (%s, %s)",
            self.collection,
            self._summary_table,
        )
        if flush != FLUSH[self.durability]:
            promise = self.durabilities[self.durability].how
            raise Unavailable(
                f"{self.title}: {self.durability} is {promise}, the server has {flush}"
            )
        if tables < 2:
            yield db.run("SET sql_notes = 0")  # another process may be first
            yield db.run(_RECORDS.format(self.collection))
            yield db.run(_SUMMARY.format(self._summary_table))

    def ping(self, db: Any) -> Op[str]:
        """Return the server's name and version."""
        (text,) = yield db.row("SELECT VERSION()")
        version, _, suffix = text.partition("-")
        return f"{'MariaDB' if 'MariaDB' in suffix else 'MySQL'} {version}"

    def reset(self, db: Any, records: Sequence[Record]) -> Op[None]:
        """Truncate (a new file), fill in large statements, analyze, write dirty pages."""
        yield db.run(f"TRUNCATE TABLE {self.collection}")
        if records:
            yield db.insert_many(
                self._insert, [(record.id, *_values(record)) for record in records]
            )
        yield from self._settle(db, self.collection)

    def seed_summary(self, db: Any, size: int) -> Op[None]:
        """Truncate and let the server make the rows."""
        powers = range(len(str(size)))
        number = " + ".join(f"d{power}.n * {10**power}" for power in powers)
        digits = ", ".join(f"{_DIGITS} d{power}" for power in powers)
        yield db.run(f"TRUNCATE TABLE {self._summary_table}")
        yield db.run(
            f"INSERT INTO {self._summary_table}"  # noqa: S608
            " SELECT n, CONCAT('tag-', LPAD(MOD(n, 50), 2, '0')),"
            " MOD(MOD(n * 2654435761, 4294967296), 1000000) / 1e3"
            f" FROM (SELECT {number} AS n FROM {digits}) AS numbers WHERE n < {size} ORDER BY n"
        )
        yield from self._settle(db, self._summary_table)

    def _settle(self, db: Any, table: str) -> Op[None]:
        """Gather statistics and write the table's pages: the nearest thing to a checkpoint."""
        yield db.rows(f"ANALYZE TABLE {table}")
        try:
            yield db.run(f"FLUSH TABLES {table} FOR EXPORT")
        except Exception as error:
            if error.args[:1] != (_ACCESS_DENIED,):
                raise
        yield db.run("UNLOCK TABLES")

    def create(self, db: Any, record: Record) -> Op[None]:
        """Insert a row."""
        yield db.run(self._insert, record.id, *_values(record))

    def read(self, db: Any, id: str) -> Op[Record | None]:
        """Select by primary key."""
        row = yield db.row(self._select, id)
        return None if row is None else _record(row)

    def update(self, db: Any, record: Record) -> Op[bool]:
        """Update every column."""
        return (yield db.run(self._set, *_values(record), record.id)) == 1  # type: ignore[no-any-return]

    def delete(self, db: Any, id: str) -> Op[bool]:
        """Delete by primary key."""
        return (yield db.run(self._remove, id)) == 1  # type: ignore[no-any-return]

    def find(self, db: Any, min_duration: float, limit: int) -> Op[list[Record]]:
        """Select by the index on duration, newest first."""
        rows = yield db.rows(self._longer, min_duration, limit)
        return [_record(row) for row in rows]

    def summary(self, db: Any) -> Op[list[TagSummary]]:
        """Group by tag."""
        rows = yield db.rows(self._by_tag)
        return [TagSummary(*row) for row in rows]
