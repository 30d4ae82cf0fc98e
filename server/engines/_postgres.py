"""What the PostgreSQL engines share: the tables, the statements, how durability is reached.

`db` has the method names of asyncpg's connection: `execute` (returns the command's tag, such as
"UPDATE 1"), `fetchrow` and `fetch`, each with the arguments of $1, $2, ... behind the statement.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from server.addresses import UrlForm
from server.api.enums import Durability, Operation
from server.api.record import Record, TagSummary, encode
from server.engines.base import Engine, Op, Opening, Promise, Service
from server.errors import DeadlineExceeded, Invalid, Problem, Unavailable

TLS_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})

URL_FORM = UrlForm(
    {"postgresql": "postgresql", "postgres": "postgresql"},
    5432,
    "[^/]+",
    has_many_hosts=True,
    parameters={
        "sslmode": TLS_MODES,
        "sslrootcert": None,
        "sslcert": None,
        "sslkey": None,
        "target_session_attrs": frozenset({"any", "read-write", "primary"}),
    },
)

SERVICE = Service(
    "postgres",
    {None: "postgresql://postgres@127.0.0.1:15432/windtunnel?sslmode=disable"},
    URL_FORM.normalize,
)

DURABILITIES = {
    Durability.VOLATILE: Promise("UNLOGGED table, synchronous_commit=off", False, False),
    Durability.FAST: Promise("synchronous_commit=off", False, False),
    Durability.SAFE: Promise("synchronous_commit=on, fsync=on", True, True),
}

ROUND_TRIPS = dict.fromkeys(Operation, 1) | {Operation.EDIT: 2}

# One statement and one round trip; it takes no lock where the tables are there. Of processes
# that start together one makes them: CREATE TABLE IF NOT EXISTS alone fails in such a race.
_TABLES = """
DO $$ BEGIN
IF to_regclass('{summary}') IS NULL THEN
    PERFORM pg_advisory_xact_lock({lock});
    CREATE {unlogged} TABLE IF NOT EXISTS {records} (
        id char(24) COLLATE "C" PRIMARY KEY,
        topic text NOT NULL,
        "when" timestamptz(3) NOT NULL,
        duration float8 NOT NULL,
        tags text[] COLLATE "C" NOT NULL);
    CREATE INDEX IF NOT EXISTS {records}_duration ON {records} (duration);
    CREATE {unlogged} TABLE IF NOT EXISTS {summary} (
        number int PRIMARY KEY, tag text COLLATE "C" NOT NULL, duration float8 NOT NULL);
END IF;
END $$
"""

_CHECKPOINT = "DO $$ BEGIN CHECKPOINT; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$"

_COLUMNS = 'id, topic, "when", duration, tags'

_BY_STATE: Mapping[str, type[Problem] | None] = {
    "57014": DeadlineExceeded,  # query_canceled, by statement_timeout
    "42501": Unavailable,  # insufficient_privilege, as on the schema public since PostgreSQL 15
    "42P01": Unavailable,  # undefined_table: it was dropped
    "22": Invalid,  # data exceptions
    "0A": None,  # these and the ones below would be faults of our statements
    "20": None,
    "21": None,
    "23": None,
    "42": None,
    "44": None,
    "P0": None,
}
"""SQLSTATE, or its class (the first two characters), and its Problem; others are Unavailable."""


def problem_of_state(state: str) -> type[Problem] | None:
    """Return the Problem that a SQLSTATE stands for, None for a fault of our statements."""
    return _BY_STATE.get(state, _BY_STATE.get(state[:2], Unavailable))


class Postgres(Engine):
    """A PostgreSQL table of each store's own; each statement commits by itself."""

    service = SERVICE
    durabilities = DURABILITIES
    round_trips = ROUND_TRIPS
    codec = "columns; tags as text[]"

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        table = self.collection
        self._summary_table = f"{table}_summary"
        self._create = self.statement(
            f"INSERT INTO {table} ({_COLUMNS}) VALUES ($1, $2, $3, $4::float8, $5)"  # noqa: S608
        )
        self._read = self.statement(f"SELECT {_COLUMNS} FROM {table} WHERE id = $1")  # noqa: S608
        self._update = self.statement(
            f'UPDATE {table} SET topic = $1, "when" = $2, duration = $3::float8, tags = $4'  # noqa: S608
            " WHERE id = $5"
        )
        self._delete = self.statement(f"DELETE FROM {table} WHERE id = $1")  # noqa: S608
        self._find = self.statement(
            f"SELECT {_COLUMNS} FROM {table} WHERE duration > $1::float8"  # noqa: S608
            ' ORDER BY "when" DESC LIMIT $2'
        )
        self._summary = (
            f"SELECT tag, count(*), avg(duration), max(duration) FROM {self._summary_table}"  # noqa: S608
            " GROUP BY tag ORDER BY tag"
        )

    def problem(self, error: Exception) -> type[Problem] | None:
        """Return the Problem of the server's SQLSTATE; `errors` has what the client raises."""
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        return problem_of_state(state) if state else super().problem(error)

    def statement(self, text: str) -> str:
        """Return a statement with parameters in this driver's style; unchanged here."""
        return text

    def record(self, row: Any) -> Record:
        """Return the record of a row as this driver decodes it."""
        return Record(*row)

    def session(self) -> dict[str, str]:
        """Return the settings of a session, sent in the start-up packet: no round trip.

        The server ends a statement at the deadline too, so that it does no work in vain.
        """
        return {
            "synchronous_commit": "on" if self.durability is Durability.SAFE else "off",
            "statement_timeout": str(max(1, round(self.deadline * 1000))),
            "timezone": "UTC",
            "client_min_messages": "warning",
        }

    def options(self) -> str:
        """Return `session` as libpq's connection option."""
        return " ".join(f"-c {name}={value}" for name, value in self.session().items())

    def prepare(self, db: Any) -> Op[None]:
        """Make the tables; refuse durability safe on a server that does not sync."""
        yield db.execute(
            _TABLES.format(
                records=self.collection,
                summary=self._summary_table,
                unlogged="UNLOGGED" if self.durability is Durability.VOLATILE else "",
                lock=zlib.crc32(self.collection.encode()),
            )
        )
        if self.durability is Durability.SAFE:
            (fsync,) = yield db.fetchrow("SELECT current_setting('fsync')")
            if fsync != "on":
                raise Unavailable(f"{self.title}: the server runs with fsync={fsync}, not safe")

    def ping(self, db: Any) -> Op[str]:
        """Return the server's version."""
        (version,) = yield db.fetchrow("SELECT current_setting('server_version')")
        return f"PostgreSQL {version.split()[0]}"

    def reset(self, db: Any, records: Sequence[Record]) -> Op[None]:
        """Truncate (new files), fill in one statement, vacuum and analyze, checkpoint."""
        yield db.execute(f"TRUNCATE {self.collection}")
        yield db.execute(
            self.statement(
                f"INSERT INTO {self.collection} ({_COLUMNS})"  # noqa: S608
                f" SELECT {_COLUMNS} FROM json_to_recordset($1::json) AS r(id text, topic text,"
                ' "when" timestamptz, duration float8, tags text[])'
            ),
            encode(records).decode(),
        )
        yield from self._settle(db, self.collection)

    def seed_summary(self, db: Any, size: int) -> Op[None]:
        """Truncate and let the server make the rows."""
        yield db.execute(f"TRUNCATE {self._summary_table}")
        yield db.execute(
            f"INSERT INTO {self._summary_table}"  # noqa: S608
            " SELECT n, 'tag-' || lpad(mod(n, 50)::text, 2, '0'),"
            " mod(mod(n * 2654435761, 4294967296), 1000000) / 1000::float8"
            f" FROM generate_series(0::bigint, {size - 1}) AS n"
        )
        yield from self._settle(db, self._summary_table)

    def _settle(self, db: Any, table: str) -> Op[None]:
        yield db.execute(f"VACUUM (ANALYZE) {table}")
        yield db.execute(_CHECKPOINT)

    def create(self, db: Any, record: Record) -> Op[None]:
        """Insert a row."""
        r = record
        yield db.execute(self._create, r.id, r.topic, r.when, r.duration, r.tags)

    def read(self, db: Any, id: str) -> Op[Record | None]:
        """Select by primary key."""
        row = yield db.fetchrow(self._read, id)
        return None if row is None else self.record(row)

    def update(self, db: Any, record: Record) -> Op[bool]:
        """Update every column."""
        r = record
        tag = yield db.execute(self._update, r.topic, r.when, r.duration, r.tags, r.id)
        return tag == "UPDATE 1"  # type: ignore[no-any-return]

    def delete(self, db: Any, id: str) -> Op[bool]:
        """Delete by primary key."""
        return (yield db.execute(self._delete, id)) == "DELETE 1"  # type: ignore[no-any-return]

    def find(self, db: Any, min_duration: float, limit: int) -> Op[list[Record]]:
        """Select by the index on duration, newest first."""
        rows = yield db.fetch(self._find, min_duration, limit)
        return [self.record(row) for row in rows]

    def summary(self, db: Any) -> Op[list[TagSummary]]:
        """Group by tag."""
        rows = yield db.fetch(self._summary)
        return [TagSummary(*row) for row in rows]
