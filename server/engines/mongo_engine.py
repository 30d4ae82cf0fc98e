"""MongoDB through an object-document mapper: MongoEngine, and Beanie as its async side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from server.api.enums import Mode
from server.api.record import Record, TagSummary
from server.engines._mongo import Database, MongoService, mend_waiting
from server.engines.base import Errors, Op
from server.errors import Invalid, Unavailable


@dataclass(frozen=True, slots=True)
class Mapped(Database):
    """A database whose records are documents of a mapper; loading bypasses it."""

    documents: Any


class MongoEngine(MongoService):
    """MongoEngine (sync) and Beanie (async); every operation goes through their Documents."""

    name = "mongo-engine"
    title = "MongoDB, MongoEngine/Beanie"
    drivers = {Mode.BLOCKING: "mongoengine", Mode.THREADS: "mongoengine", Mode.ASYNC: "beanie"}
    imports = {
        Mode.BLOCKING: ["server.engines._mongoengine"],
        Mode.THREADS: ["server.engines._mongoengine"],
        Mode.ASYNC: ["server.engines._beanie"],
    }
    codec = "Documents of the mapper, BSON of PyMongo underneath"
    notes = (
        *MongoService.notes,
        "the price of an object-document mapper: compare with mongo-pymongo",
        "update is a $set of every field, the mappers' own one-trip form",
    )

    def connect(self) -> Mapped:
        """Return documents on a client, which connects when it is first used."""
        from server.engines._mongoengine import MongoEngineDocuments

        return self._mapped(MongoEngineDocuments(self.address, self.collection, self.options()))

    async def aconnect(self) -> Mapped:
        """Return documents on a client that has connected."""
        from server.engines._beanie import BeanieDocuments

        mend_waiting()
        documents = BeanieDocuments(self.address, self.collection, self.options())
        try:
            await documents.open()
        except BaseException:
            await documents.close()
            raise
        return self._mapped(documents)

    def _mapped(self, documents: Any) -> Mapped:
        database = self.open_database(documents.client)
        return Mapped(database.client, database.records, database.load, database.rows, documents)

    def close(self, db: Mapped) -> None:
        """Close the client and its connections."""
        db.documents.close()

    async def aclose(self, db: Mapped) -> None:
        """Close the client and its connections."""
        await db.documents.close()

    def errors(self) -> Errors:
        """Return the driver's errors, and MongoEngine's own."""
        try:
            from mongoengine.connection import ConnectionFailure
            from mongoengine.errors import OperationError, ValidationError
        except ImportError:  # Beanie alone is installed; it lets the driver's errors through
            return super().errors()
        return (
            *super().errors(),
            (ValidationError, Invalid),
            (OperationError, Unavailable),
            (ConnectionFailure, Unavailable),
        )

    def create(self, db: Mapped, record: Record) -> Op[None]:
        """A new Document, inserted."""
        yield db.documents.insert(record)

    def read(self, db: Mapped, id: str) -> Op[Record | None]:
        """The Document of that id."""
        return (yield db.documents.get(id))  # type: ignore[no-any-return]

    def update(self, db: Mapped, record: Record) -> Op[bool]:
        """Every field set, on the Document of that id."""
        return (yield db.documents.replace(record))  # type: ignore[no-any-return]

    def delete(self, db: Mapped, id: str) -> Op[bool]:
        """The Document of that id, deleted."""
        return (yield db.documents.remove(id))  # type: ignore[no-any-return]

    def find(self, db: Mapped, min_duration: float, limit: int) -> Op[list[Record]]:
        """A query set, or a find query."""
        return (yield db.documents.longer(min_duration, limit))  # type: ignore[no-any-return]

    def summary(self, db: Mapped) -> Op[list[TagSummary]]:
        """An aggregation of the rows' Document."""
        return (yield db.documents.by_tag())  # type: ignore[no-any-return]
