"""SQLite, in the server's own process: sqlite3, and aiosqlite (a thread for each connection)."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from server.addresses import read_folder
from server.api.enums import Durability, Mode, Operation
from server.api.record import Record, TagSummary, from_millis, summary_rows, to_millis
from server.engines.base import Engine, Errors, Op, Promise, Service
from server.errors import Problem, Unavailable

_encode_tags = msgspec.json.Encoder().encode
_decode_tags = msgspec.json.Decoder(list[str]).decode

_SYNCHRONOUS = {Durability.FAST: "NORMAL", Durability.SAFE: "FULL"}

# `duration` has no declared type: a REAL column would store -0.0 as the integer 0.
_TABLES = """
CREATE TABLE IF NOT EXISTS records (
    id TEXT PRIMARY KEY, topic TEXT NOT NULL, "when" INTEGER NOT NULL, duration NOT NULL,
    tags TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS records_duration ON records (duration);
CREATE TABLE IF NOT EXISTS summary (
    number INTEGER PRIMARY KEY, tag TEXT NOT NULL, duration NOT NULL);
"""

_COLUMNS = 'id, topic, "when", duration, tags'
_CREATE = f"INSERT INTO records ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)"  # noqa: S608
_READ = f"SELECT {_COLUMNS} FROM records WHERE id = ?"  # noqa: S608
_UPDATE = 'UPDATE records SET topic = ?, "when" = ?, duration = ?, tags = ? WHERE id = ?'
_DELETE = "DELETE FROM records WHERE id = ?"
_FIND = f'SELECT {_COLUMNS} FROM records WHERE duration > ? ORDER BY "when" DESC LIMIT ?'  # noqa: S608
_SEED = "INSERT INTO summary VALUES (?, ?, ?)"
_SUMMARY = "SELECT tag, count(*), avg(duration), max(duration) FROM summary GROUP BY tag"


class SQLiteConnection(sqlite3.Connection):
    """A sync connection with aiosqlite's shortcut."""

    def execute_fetchall(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return every row of a query."""
        return self.execute(sql, parameters).fetchall()


def _row(record: Record) -> tuple[str, str, int, float, str]:
    return (
        record.id,
        record.topic,
        to_millis(record.when),
        record.duration,
        _encode_tags(record.tags).decode(),
    )


def _record(row: tuple[str, str, int, float, str]) -> Record:
    return Record(row[0], row[1], from_millis(row[2]), row[3], _decode_tags(row[4]))


class SQLite(Engine):
    """SQLite in write-ahead mode, a file for each store, so that stores share no writer's lock."""

    name = "sqlite"
    title = "SQLite"
    service = Service("sqlite", {None: ".run/data/sqlite"}, read_folder)
    drivers = {Mode.BLOCKING: "", Mode.THREADS: "", Mode.ASYNC: "aiosqlite"}
    durabilities = {
        Durability.FAST: Promise("journal_mode=WAL, synchronous=NORMAL", True, False),
        Durability.SAFE: Promise("journal_mode=WAL, synchronous=FULL", True, True),
    }
    round_trips = dict.fromkeys(Operation, 0)
    codec = "columns; when as integer ms, tags as JSON (msgspec)"
    transport = "none: in the process"
    notes = (
        "one writer at a time: the others wait for its lock, at most the deadline",
        "async is aiosqlite, which is a thread for each connection underneath",
        "sqlite3 keeps 128 prepared statements for a connection, its default",
    )

    def connect(self) -> SQLiteConnection:
        """Open the store's file, creating it if need be."""
        folder = Path(self.address)
        folder.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(
            folder / f"{self.collection}.db",
            timeout=self.deadline,
            isolation_level=None,
            check_same_thread=False,
            factory=SQLiteConnection,
        )
        db.execute(f"PRAGMA synchronous={_SYNCHRONOUS[self.durability]}")
        return db

    async def aconnect(self) -> Any:
        """Open the store's file in its own thread.

        A connection of a cancelled attempt is closed here: aiosqlite leaves it to the collector.
        """
        import aiosqlite

        connections: list[SQLiteConnection] = []
        cancelled = threading.Event()

        def connect() -> SQLiteConnection:
            connections.append(self.connect())
            if cancelled.is_set():
                connections[0].close()
            return connections[0]

        try:
            return await aiosqlite.Connection(connect, iter_chunk_size=64)
        except BaseException:
            cancelled.set()
            for db in connections:
                db.close()
            raise

    async def aclose(self, db: Any) -> None:
        """Close; a query that still runs is interrupted."""
        await db.interrupt()
        await db.close()

    def sever(self, db: SQLiteConnection) -> None:
        """Interrupt a query that takes too long; a wait for a lock ends by itself."""
        with contextlib.suppress(sqlite3.ProgrammingError):  # it is closed by now
            db.interrupt()

    def errors(self) -> Errors:
        """Return sqlite3's errors: locked, full, read-only, not to be opened, damaged, closed."""
        return (
            (sqlite3.OperationalError, Unavailable),
            (sqlite3.IntegrityError, Problem),
            (sqlite3.DatabaseError, Unavailable),
        )

    def prepare(self, db: Any) -> Op[None]:
        """Turn on the write-ahead log and make the tables."""
        ((journal,),) = yield db.execute_fetchall("PRAGMA journal_mode=WAL")
        if journal != "wal":
            raise Unavailable(f"SQLite: {self.address} allows no write-ahead log ({journal})")
        yield db.executescript(_TABLES)

    def ping(self, db: Any) -> Op[str]:
        """Return the library's version."""
        ((version,),) = yield db.execute_fetchall("SELECT sqlite_version()")
        return f"SQLite {version}"

    def reset(self, db: Any, records: Sequence[Record]) -> Op[None]:
        """Drop and make the table, fill it in one transaction, analyze, empty the log."""
        yield db.executescript("BEGIN IMMEDIATE; DROP TABLE IF EXISTS records;" + _TABLES)
        yield db.executemany(_CREATE, [_row(record) for record in records])
        yield from self._settle(db)

    def seed_summary(self, db: Any, size: int) -> Op[None]:
        """Drop and make the summary's table, and fill it in one transaction."""
        yield db.executescript("BEGIN IMMEDIATE; DROP TABLE IF EXISTS summary;" + _TABLES)
        yield db.executemany(_SEED, summary_rows(size))
        yield from self._settle(db)

    def _settle(self, db: Any) -> Op[None]:
        yield db.execute("COMMIT")
        yield db.execute("ANALYZE")
        yield db.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")

    def create(self, db: Any, record: Record) -> Op[None]:
        """Insert a row."""
        yield db.execute(_CREATE, _row(record))

    def read(self, db: Any, id: str) -> Op[Record | None]:
        """Select by primary key."""
        rows = yield db.execute_fetchall(_READ, (id,))
        return _record(rows[0]) if rows else None

    def update(self, db: Any, record: Record) -> Op[bool]:
        """Update every column."""
        id_, *values = _row(record)
        cursor = yield db.execute(_UPDATE, (*values, id_))
        return cursor.rowcount == 1  # type: ignore[no-any-return]

    def delete(self, db: Any, id: str) -> Op[bool]:
        """Delete by primary key."""
        cursor = yield db.execute(_DELETE, (id,))
        return cursor.rowcount == 1  # type: ignore[no-any-return]

    def find(self, db: Any, min_duration: float, limit: int) -> Op[list[Record]]:
        """Select by the index on duration, newest first."""
        rows = yield db.execute_fetchall(_FIND, (min_duration, limit))
        return [_record(row) for row in rows]

    def summary(self, db: Any) -> Op[list[TagSummary]]:
        """Group by tag, which sorts by it too."""
        rows = yield db.execute_fetchall(_SUMMARY)
        return [TagSummary(*row) for row in rows]
