"""What the key-value stores share: a record is one JSON value, and nothing can be searched."""

from __future__ import annotations

from server.api.enums import Operation
from server.api.record import Record, TagSummary
from server.engines.base import Engine, Op


class KeyValue(Engine):
    """An engine that finds records by their key alone."""

    not_available = {
        Operation.FIND: "a key-value store has no index on duration, and one kept by hand would "
        "charge every write for it",
        Operation.SUMMARY: "a key-value store does not aggregate",
    }
    round_trips = dict.fromkeys(Operation, 1) | {Operation.EDIT: 2}
    codec = "msgspec JSON"

    def seed_summary(self, db: object, size: int) -> Op[None]:
        """Not offered."""
        raise NotImplementedError

    def find(self, db: object, min_duration: float, limit: int) -> Op[list[Record]]:
        """Not offered."""
        raise NotImplementedError

    def summary(self, db: object) -> Op[list[TagSummary]]:
        """Not offered."""
        raise NotImplementedError
