"""What the MongoDB engines share: facts, options of the client, operations on collections."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar, TypeVar

from server.addresses import UrlForm
from server.api.enums import Durability, Operation
from server.api.record import Record, TagSummary, summary_rows
from server.engines.base import Engine, Errors, Op, Promise, Service
from server.errors import Busy, DeadlineExceeded, Invalid, Unavailable

T = TypeVar("T")

BATCH = 10_000
OWN_SHARE = 0.95
"""The driver's own time-outs end before our deadline, which would cancel a call under way."""
REACH_MILLIS = 2000  # to find and connect to a server, however long its answers may take

_BOOLEAN = frozenset({"true", "false"})

URL_FORM = UrlForm(
    {"mongodb": "mongodb", "mongodb+srv": "mongodb+srv"},
    27017,
    r"[^/\\. \"$]+",
    has_many_hosts=True,
    parameters={
        "authSource": None,
        "authMechanism": frozenset(
            {"DEFAULT", "MONGODB-X509", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"}
        ),
        "directConnection": _BOOLEAN,
        "replicaSet": None,
        "ssl": _BOOLEAN,
        "tls": _BOOLEAN,
        "tlsAllowInvalidCertificates": _BOOLEAN,
        "tlsCAFile": None,
        "tlsCertificateKeyFile": None,
    },
)

CONCERNS: dict[Durability, dict[str, Any]] = {
    Durability.UNACKED: {"w": 0},
    Durability.FAST: {"w": 1, "journal": False},
    Durability.SAFE: {"w": 1, "journal": True},
}

SUMMARY = [
    {
        "$group": {
            "_id": "$tag",
            "count": {"$sum": 1},
            "mean": {"$avg": "$duration"},
            "longest": {"$max": "$duration"},
        }
    },
    {"$sort": {"_id": 1}},
]

UNACKED_NOTE = (
    "unacked: no write is acknowledged, so that update and delete of a missing record say that "
    "it was there, and a read may overtake a write"
)


@dataclass(frozen=True, slots=True)
class Database:
    """A client and the store's two collections; `load` is the first one, acknowledged on disk."""

    client: Any
    records: Any
    load: Any
    rows: Any


class MongoService(Engine):
    """What holds for MongoDB through whichever driver or ODM."""

    service = Service("mongo", {None: "mongodb://127.0.0.1:17017/windtunnel"}, URL_FORM.normalize)
    durabilities = {
        Durability.UNACKED: Promise("w=0: writes are not acknowledged", False, False),
        Durability.FAST: Promise("w=1, j=false", False, False),
        Durability.SAFE: Promise("w=1, j=true", True, True),
    }
    round_trips = dict.fromkeys(Operation, 1) | {Operation.EDIT: 2}
    codec = "BSON of the driver"
    notes: ClassVar[Sequence[str]] = (
        UNACKED_NOTE,
        "one client for each store with maxPoolSize = connections; it opens two more to watch the "
        "server; retryWrites and retryReads are off",
    )
    shared = True

    def options(self) -> dict[str, Any]:
        """Return what every client of this store is made with."""
        millis = int(self.deadline * 1000 * OWN_SHARE)
        soon = min(millis, REACH_MILLIS)
        return {
            "appname": self.collection,
            "maxPoolSize": self.opening.connections,
            "serverSelectionTimeoutMS": soon * 7 // 10,  # it looks twice a second, and ends late
            "connectTimeoutMS": soon,
            "socketTimeoutMS": millis,
            "waitQueueTimeoutMS": millis,
            "retryWrites": False,
            "retryReads": False,
            "tz_aware": True,
            **CONCERNS[self.durability],
        }

    def open_database(self, client: Any) -> Database:
        """Return the store's collections; nothing is sent."""
        from pymongo import WriteConcern

        database = client.get_default_database("windtunnel")
        records = database[self.collection]
        on_disk = WriteConcern(w=1, j=True)
        return Database(
            client,
            records,
            records.with_options(write_concern=on_disk),
            database[f"{self.collection}_summary"].with_options(write_concern=on_disk),
        )

    def errors(self) -> Errors:
        """Return the driver's errors; what the server refuses, but for a time-out, is its state."""
        from bson.errors import BSONError
        from pymongo import errors

        return (
            (errors.WaitQueueTimeoutError, Busy),
            (errors.NetworkTimeout, DeadlineExceeded),
            (errors.ExecutionTimeout, DeadlineExceeded),
            (errors.ConnectionFailure, Unavailable),
            (errors.DocumentTooLarge, Invalid),
            (BSONError, Invalid),
            (errors.OperationFailure, Unavailable),
            (errors.InvalidOperation, Unavailable),  # the client has been closed meanwhile
        )

    def prepare(self, db: Database) -> Op[None]:
        """Make the index, and with it the collection."""
        yield db.load.create_index("duration")

    def ping(self, db: Database) -> Op[str]:
        """Return the server's version."""
        info = yield db.client.server_info()
        return f"MongoDB {info['version']}"

    def reset(self, db: Database, records: Sequence[Record]) -> Op[None]:
        """Drop the collection, make its index, load it, all acknowledged after the journal."""
        yield db.load.drop()
        yield db.load.create_index("duration")
        for start in range(0, len(records), BATCH):
            yield db.load.insert_many([document(r) for r in records[start : start + BATCH]])

    def seed_summary(self, db: Database, size: int) -> Op[None]:
        """Drop the summary's collection and load it."""
        yield db.rows.drop()
        rows = summary_rows(size)
        while batch := list(islice(rows, BATCH)):
            yield db.rows.insert_many(
                [{"_id": n, "tag": tag, "duration": duration} for n, tag, duration in batch]
            )


class Mongo(MongoService):
    """The operations, on collections of whichever driver."""

    def create(self, db: Database, record: Record) -> Op[None]:
        """insertOne."""
        yield db.records.insert_one(document(record))

    def read(self, db: Database, id: str) -> Op[Record | None]:
        """findOne by _id."""
        document = yield db.records.find_one({"_id": id})
        return None if document is None else as_record(document)

    def update(self, db: Database, record: Record) -> Op[bool]:
        """replaceOne; unacknowledged, it is taken to have found the record."""
        result = yield db.records.replace_one({"_id": record.id}, document(record))
        return not result.acknowledged or result.matched_count == 1

    def delete(self, db: Database, id: str) -> Op[bool]:
        """deleteOne; unacknowledged, it is taken to have found the record."""
        result = yield db.records.delete_one({"_id": id})
        return not result.acknowledged or result.deleted_count == 1

    def find(self, db: Database, min_duration: float, limit: int) -> Op[list[Record]]:
        """Find over the index on duration, sorted by `when`, in one batch."""
        query = {"duration": {"$gt": min_duration}}
        cursor = db.records.find(query, limit=limit, batch_size=limit).sort("when", -1)
        return [as_record(document) for document in (yield cursor.to_list(limit))]

    def summary(self, db: Database) -> Op[list[TagSummary]]:
        """$group by tag."""
        cursor = yield db.rows.aggregate(SUMMARY)
        return summaries((yield cursor.to_list(None)))


def mend_waiting() -> None:
    """Keep a cancelled call of PyMongo's async client from leaving a lock held for ever.

    Up to Python 3.11 asyncio.wait_for runs what it waits for in a task of its own. A call that is
    cancelled while that task gets the topology's lock back goes away without it, and nobody
    releases it: every later call waits until the process ends. asyncio.timeout has no such task.
    """
    if sys.version_info < (3, 12):
        from pymongo import lock

        lock.wait_for = _wait_for  # type: ignore[attr-defined,assignment]


async def _wait_for(awaitable: Awaitable[T], timeout: float | None) -> T:
    async with asyncio.timeout(timeout):
        return await awaitable


def document(record: Record) -> dict[str, Any]:
    """Return a record as a document."""
    return {
        "_id": record.id,
        "topic": record.topic,
        "when": record.when,
        "duration": record.duration,
        "tags": record.tags,
    }


def as_record(document: dict[str, Any]) -> Record:
    """Return a document as a record."""
    when: datetime = document["when"]
    return Record(document["_id"], document["topic"], when, document["duration"], document["tags"])


def summaries(groups: Sequence[dict[str, Any]]) -> list[TagSummary]:
    """Return the answer to `SUMMARY` as summaries."""
    return [TagSummary(g["_id"], g["count"], g["mean"], g["longest"]) for g in groups]
