"""MongoDB through PyMongo: MongoClient and AsyncMongoClient."""

from __future__ import annotations

from server.api.enums import Mode
from server.engines._mongo import Database, Mongo, mend_waiting


class MongoPymongo(Mongo):
    """PyMongo's sync client and its asyncio twin."""

    name = "mongo-pymongo"
    title = "MongoDB, PyMongo"
    drivers = dict.fromkeys(Mode, "pymongo")

    def connect(self) -> Database:
        """Return a MongoClient, which connects when it is first used."""
        from pymongo import MongoClient

        return self.open_database(MongoClient(self.address, **self.options()))

    async def aconnect(self) -> Database:
        """Return an AsyncMongoClient, which connects when it is first used."""
        from pymongo import AsyncMongoClient

        mend_waiting()
        return self.open_database(AsyncMongoClient(self.address, **self.options()))

    def close(self, db: Database) -> None:
        """Close the client and its connections."""
        db.client.close()

    async def aclose(self, db: Database) -> None:
        """Close the client and its connections."""
        await db.client.close()
