"""A store's documents in Beanie: Document classes bound to the client of each opening."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import beanie
from beanie.odm.actions import ActionRegistry
from pymongo import AsyncMongoClient

from server.api.record import Record, TagSummary
from server.engines._mongo import SUMMARY, summaries


class BeanieDocuments:
    """The two Document classes of one opening, on its own client; call `open` first."""

    def __init__(self, address: str, collection: str, options: dict[str, Any]) -> None:
        self.client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(address, **options)
        self._record = _record(collection)
        self._row = _row(f"{collection}_summary")

    async def open(self) -> None:
        """Bind the classes to the client; asks the server for its version and collections."""
        await beanie.init_beanie(
            self.client.get_default_database("windtunnel"),
            document_models=[self._record, self._row],
            skip_indexes=True,
        )

    async def close(self) -> None:
        """Close the client, and let Beanie forget the classes."""
        for model in (self._record, self._row):
            ActionRegistry._actions.pop(model, None)
        await self.client.close()

    async def insert(self, record: Record) -> None:
        """Insert a new document."""
        await self._record(
            id=record.id,
            topic=record.topic,
            when=record.when,
            duration=record.duration,
            tags=record.tags,
        ).insert()

    async def get(self, id: str) -> Record | None:
        """Return the document as a record, or None."""
        document = await self._record.get(id)
        return None if document is None else _to_record(document)

    async def replace(self, record: Record) -> bool:
        """Set every field; unacknowledged, it is taken to have found the document.

        `Document.replace` is of no use here: it fails on an unacknowledged write.
        """
        fields = {
            "topic": record.topic,
            "when": record.when,
            "duration": record.duration,
            "tags": record.tags,
        }
        result = await self._record.find_one({"_id": record.id}).update({"$set": fields})
        return not result.acknowledged or result.matched_count == 1

    async def remove(self, id: str) -> bool:
        """Delete; unacknowledged, it is taken to have found the document."""
        result = await self._record.find_one({"_id": id}).delete()
        return not result.acknowledged or result.deleted_count == 1

    async def longer(self, duration: float, limit: int) -> list[Record]:
        """Return up to `limit` longer records, newest first, in one batch."""
        query = self._record.find(
            {"duration": {"$gt": duration}}, sort="-when", limit=limit, batch_size=limit
        )
        return [_to_record(document) for document in await query.to_list()]

    async def by_tag(self) -> list[TagSummary]:
        """Aggregate the summary's collection."""
        return summaries(await self._row.aggregate(SUMMARY).to_list())


def _to_record(document: Any) -> Record:
    return Record(document.id, document.topic, document.when, document.duration, document.tags)


def _record(collection: str) -> Any:
    class RecordDocument(beanie.Document):
        id: str  # type: ignore[assignment]
        topic: str
        when: datetime
        duration: float
        tags: list[str]

        class Settings:
            name = collection

    return RecordDocument


def _row(collection: str) -> Any:
    class SummaryDocument(beanie.Document):
        id: int  # type: ignore[assignment]
        tag: str
        duration: float

        class Settings:
            name = collection

    return SummaryDocument
