"""A store's documents in MongoEngine: a Document class and a connection alias for each opening."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import mongoengine
from mongoengine import DateTimeField, FloatField, IntField, ListField, StringField

from server.api.record import Record, TagSummary
from server.engines._mongo import SUMMARY, summaries

_numbers = itertools.count()
_registry = threading.Lock()  # MongoEngine keeps aliases and classes in its own dictionaries


class MongoEngineDocuments:
    """The two Document classes of one opening, on its own client."""

    def __init__(self, address: str, collection: str, options: dict[str, Any]) -> None:
        self._alias = f"{collection}-{next(_numbers)}"
        options = options | {"appname": self._alias}  # equal options would share a client
        with _registry:
            self.client = mongoengine.connect(
                "windtunnel",
                alias=self._alias,
                host=address,
                uuidRepresentation="standard",
                **options,
            )
            self._record = _record(self._alias, collection)
            self._row = _row(self._alias, f"{collection}_summary")

    def close(self) -> None:
        """Close the client and forget the alias."""
        with _registry:
            mongoengine.disconnect(self._alias)

    def insert(self, record: Record) -> None:
        """Save a new document."""
        self._record(
            id=record.id,
            topic=record.topic,
            when=record.when,
            duration=record.duration,
            tags=record.tags,
        ).save(force_insert=True)

    def get(self, id: str) -> Record | None:
        """Return the document as a record, or None."""
        document = self._record.objects(id=id).first()
        return None if document is None else _to_record(document)

    def replace(self, record: Record) -> bool:
        """Set every field; unacknowledged, it is taken to have found the document."""
        count = self._record.objects(id=record.id).update_one(
            topic=record.topic, when=record.when, duration=record.duration, tags=record.tags
        )
        return count is None or count == 1

    def remove(self, id: str) -> bool:
        """Delete; unacknowledged, it is taken to have found the document."""
        count = self._record.objects(id=id).delete()
        return count is None or count == 1

    def longer(self, duration: float, limit: int) -> list[Record]:
        """Return up to `limit` longer records, newest first, in one batch."""
        query = self._record.objects(duration__gt=duration).order_by("-when")
        return [_to_record(document) for document in query.limit(limit).batch_size(limit)]

    def by_tag(self) -> list[TagSummary]:
        """Aggregate the summary's collection."""
        return summaries(list(self._row.objects.aggregate(SUMMARY)))


def _to_record(document: Any) -> Record:
    tags = list(document.tags)
    return Record(document.id, document.topic, document.when, document.duration, tags)


def _meta(alias: str, collection: str) -> dict[str, Any]:
    return {"db_alias": alias, "collection": collection, "auto_create_index": False}


def _record(alias: str, collection: str) -> Any:
    class StoredRecord(mongoengine.Document):  # type: ignore[misc]
        meta = _meta(alias, collection)
        id = StringField(primary_key=True)
        topic = StringField()
        when = DateTimeField()
        duration = FloatField()
        tags = ListField(StringField())

    return StoredRecord


def _row(alias: str, collection: str) -> Any:
    class SummaryRow(mongoengine.Document):  # type: ignore[misc]
        meta = _meta(alias, collection)
        id = IntField(primary_key=True)
        tag = StringField()
        duration = FloatField()

    return SummaryRow
