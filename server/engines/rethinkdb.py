"""RethinkDB through its own driver, sync and asyncio.

No registry has a server, so that this runs where one is on PATH or given by
WINDTUNNEL_RETHINKDB_URL, and reads "down" elsewhere.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from server.addresses import UrlForm
from server.api.enums import Durability, Mode, Operation
from server.api.record import Record, TagSummary, from_millis, summary_rows, to_millis
from server.engines.base import Engine, Errors, Op, Promise, Service
from server.errors import DeadlineExceeded, Invalid, Unavailable

BATCH = 200  # documents an insert, as the server's manual advises
ARRAY_LIMIT = 1_000_000

URL_FORM = UrlForm({"rethinkdb": "rethinkdb"}, 28015, "[A-Za-z0-9_-]+")

TABLE_DURABILITY = {Durability.FAST: "soft", Durability.SAFE: "hard"}


class RethinkDB(Engine):
    """The driver's blocking connection and its asyncio one; a table for each store."""

    name = "rethinkdb"
    title = "RethinkDB"
    service = Service(
        "rethinkdb", {None: "rethinkdb://127.0.0.1:28115/windtunnel"}, URL_FORM.normalize
    )
    drivers = dict.fromkeys(Mode, "rethinkdb")
    imports = {Mode.ASYNC: ["rethinkdb.asyncio_net.net_asyncio"]}
    durabilities = {
        Durability.FAST: Promise("durability=soft", False, False),
        Durability.SAFE: Promise("durability=hard", True, True),
    }
    round_trips = dict.fromkeys(Operation, 1) | {Operation.EDIT: 2}
    codec = "JSON of the driver"
    notes = (
        "`when` is kept as milliseconds since 1970: ReQL's own time begins in the year 1400",
        "no registry has a server: measured where one is at hand",
        "the sync driver has no time-out for an answer: its socket is shut down at the deadline",
    )

    def connect(self) -> Any:
        """Return a connection."""
        from rethinkdb.net import DefaultConnection, make_connection

        return make_connection(DefaultConnection, **self._options(), timeout=self.deadline)

    async def aconnect(self) -> Any:
        """Return a connection."""
        from rethinkdb.asyncio_net.net_asyncio import Connection
        from rethinkdb.net import make_connection

        return await make_connection(Connection, **self._options(), timeout=self.deadline)

    def _options(self) -> dict[str, Any]:
        url = URL_FORM.read(self.address)
        return {
            "host": url.host,
            "port": url.port,
            "db": url.path or "windtunnel",
            "user": url.username or "admin",
            "password": url.password,
        }

    def close(self, db: Any) -> None:
        """Close the connection without waiting for the server."""
        db.close(noreply_wait=False)

    async def aclose(self, db: Any) -> None:
        """Close the connection without waiting for the server."""
        await db.close(noreply_wait=False)

    def sever(self, db: Any) -> None:
        """Shut the socket, so that the thread that waits on it sees the end of the stream."""
        instance = db._instance
        wrapper = instance and instance._socket
        connection = wrapper and wrapper._socket
        if connection is not None:
            with contextlib.suppress(OSError):  # it is closed by now
                connection.shutdown(socket.SHUT_RDWR)

    def errors(self) -> Errors:
        """Return the driver's errors; a query logic error means a value that cannot be stored."""
        from rethinkdb import errors

        return (
            (errors.ReqlTimeoutError, DeadlineExceeded),
            (errors.ReqlDriverError, Unavailable),
            (errors.ReqlQueryLogicError, Invalid),
            (errors.ReqlRuntimeError, Unavailable),
        )

    @property
    def _summary_table(self) -> str:
        return f"{self.collection}_summary"

    def prepare(self, db: Any) -> Op[None]:
        """Make the database, the tables and the index unless they are there."""
        from rethinkdb import r

        durability = TABLE_DURABILITY[self.durability]
        records = r.table(self.collection)
        yield from _create_unless_listed(db, r.db_list(), db.db, r.db_create(db.db))
        for name in (self.collection, self._summary_table):
            creation = r.table_create(name, durability=durability)
            yield from _create_unless_listed(db, r.table_list(), name, creation)
        creation = records.index_create("duration")
        yield from _create_unless_listed(db, records.index_list(), "duration", creation)
        yield records.index_wait("duration").run(db)

    def ping(self, db: Any) -> Op[str]:
        """Return the server's version."""
        from rethinkdb import r

        status = r.db("rethinkdb").table("server_status").nth(0)
        version: str = yield status["process"]["version"].run(db)
        return version.split("~", maxsplit=1)[0].replace("rethinkdb", "RethinkDB")

    def reset(self, db: Any, records: Sequence[Record]) -> Op[None]:
        """Empty the table, load it, and sync it to disk."""
        yield from self._load(db, self.collection, [_document(record) for record in records])

    def seed_summary(self, db: Any, size: int) -> Op[None]:
        """Empty the summary's table, load it, and sync it to disk."""
        rows = ({"id": n, "tag": tag, "duration": d} for n, tag, d in summary_rows(size))
        yield from self._load(db, self._summary_table, rows)

    def _load(self, db: Any, name: str, documents: Any) -> Op[None]:
        from rethinkdb import r

        table = r.table(name)
        _check((yield table.delete(durability="soft").run(db)))
        remaining = iter(documents)
        while batch := list(islice(remaining, BATCH)):
            _check((yield table.insert(batch, durability="soft").run(db)))
        yield table.sync().run(db)

    def create(self, db: Any, record: Record) -> Op[None]:
        """Insert."""
        from rethinkdb import r

        _check((yield r.table(self.collection).insert(_document(record)).run(db)))

    def read(self, db: Any, id: str) -> Op[Record | None]:
        """Get by primary key."""
        from rethinkdb import r

        document = yield r.table(self.collection).get(id).run(db)
        return None if document is None else _record(document)

    def update(self, db: Any, record: Record) -> Op[bool]:
        """Update every field, which skips a missing document."""
        from rethinkdb import r

        query = r.table(self.collection).get(record.id).update(_document(record))
        return bool(_check((yield query.run(db)))["skipped"] == 0)

    def delete(self, db: Any, id: str) -> Op[bool]:
        """Delete, which skips a missing document."""
        from rethinkdb import r

        query = r.table(self.collection).get(id).delete()
        return bool(_check((yield query.run(db)))["deleted"] == 1)

    def find(self, db: Any, min_duration: float, limit: int) -> Op[list[Record]]:
        """Between over the index on duration, ordered by `when`, as one array."""
        from rethinkdb import r

        longer = r.table(self.collection).between(
            min_duration, r.maxval, index="duration", left_bound="open"
        )
        query = longer.order_by(r.desc("when")).limit(limit).coerce_to("array")
        return [_record(document) for document in (yield query.run(db, array_limit=ARRAY_LIMIT))]

    def summary(self, db: Any) -> Op[list[TagSummary]]:
        """Group by tag, map and reduce; an ungrouped answer is one array, sorted by group."""
        from rethinkdb import r

        def partial(row: Any) -> dict[str, Any]:
            return {"count": 1, "sum": row["duration"], "longest": row["duration"]}

        def merge(a: Any, b: Any) -> dict[str, Any]:
            return {
                "count": a["count"] + b["count"],
                "sum": a["sum"] + b["sum"],
                "longest": r.branch(a["longest"] > b["longest"], a["longest"], b["longest"]),
            }

        query = r.table(self._summary_table).group("tag").map(partial).reduce(merge).ungroup()
        return [_summary(group["group"], group["reduction"]) for group in (yield query.run(db))]


def _create_unless_listed(db: Any, names: Any, name: str, creation: Any) -> Op[None]:
    """Run `creation` unless `names` lists `name`; another process may run it at the same moment."""
    from rethinkdb import r
    from rethinkdb.errors import ReqlOpFailedError

    try:
        yield r.branch(names.contains(name), None, creation).run(db)
    except ReqlOpFailedError as error:
        if "already exists" not in str(error):
            raise


def _check(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the counts of a write; raises Unavailable for what the driver does not raise."""
    if result["errors"]:
        raise Unavailable(f"RethinkDB: {result['first_error']}")
    return result


def _document(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "topic": record.topic,
        "when": to_millis(record.when),
        "duration": record.duration,
        "tags": record.tags,
    }


def _record(document: Mapping[str, Any]) -> Record:
    return Record(
        document["id"],
        document["topic"],
        from_millis(int(document["when"])),
        float(document["duration"]),
        document["tags"],
    )


def _summary(tag: str, reduction: Mapping[str, Any]) -> TagSummary:
    count = int(reduction["count"])
    return TagSummary(tag, count, reduction["sum"] / count, float(reduction["longest"]))
