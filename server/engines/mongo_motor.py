"""MongoDB through Motor, which many services still run."""

from __future__ import annotations

from server.api.enums import Mode
from server.api.record import TagSummary
from server.engines._mongo import SUMMARY, Database, Mongo, MongoService, summaries
from server.engines.base import Op


class MongoMotor(Mongo):
    """Motor: coroutines over PyMongo's sync client in a pool of threads."""

    name = "mongo-motor"
    title = "MongoDB, Motor"
    drivers = {Mode.ASYNC: "motor"}
    imports = {Mode.ASYNC: ["motor.motor_asyncio"]}
    notes = (
        *MongoService.notes,
        "past its end of life (14 May 2026): kept to be compared with AsyncMongoClient",
        "a thread pool of the driver's own underneath (MOTOR_MAX_WORKERS, by default 5 for each "
        "core), shared by all its clients; a cancelled call goes on in its thread",
    )

    async def aconnect(self) -> Database:
        """Return a client, which connects when it is first used."""
        from motor.motor_asyncio import AsyncIOMotorClient

        return self.open_database(AsyncIOMotorClient(self.address, **self.options()))

    async def aclose(self, db: Database) -> None:
        """Close the client and its connections."""
        db.client.close()

    def summary(self, db: Database) -> Op[list[TagSummary]]:
        """$group by tag; Motor's aggregate is not awaited, its cursor is."""
        return summaries((yield db.rows.aggregate(SUMMARY).to_list(None)))
