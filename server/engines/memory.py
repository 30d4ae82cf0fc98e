"""No database: a dictionary in the process, the zero of the scale."""

from __future__ import annotations

import heapq
from bisect import bisect_right, insort
from collections.abc import Sequence
from typing import Any

from server.api.enums import Durability, Mode, Operation
from server.api.record import Record, TagSummary, summary_rows
from server.engines.base import Engine, Op, Promise


class Data:
    """One collection: records by id, and an index on duration."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.index: list[tuple[float, str]] = []
        self.rows: list[tuple[int, str, float]] = []

    def get(self, id: str) -> Record | None:
        return self.records.get(id)

    def put(self, record: Record) -> None:
        self.remove(record.id)
        self.records[record.id] = record
        insort(self.index, (record.duration, record.id))

    def remove(self, id: str) -> bool:
        record = self.records.pop(id, None)
        if record is None:
            return False
        del self.index[bisect_right(self.index, (record.duration, id)) - 1]
        return True

    def replace(self, records: Sequence[Record]) -> None:
        self.records = {record.id: record for record in records}
        self.index = sorted((record.duration, record.id) for record in records)

    def longer(self, duration: float, limit: int) -> list[Record]:
        first = bisect_right(self.index, (duration, "g"))  # ids are hex: "g" is behind them all
        records = [self.records[id_] for _, id_ in self.index[first:]]
        return heapq.nlargest(limit, records, key=lambda record: record.when)

    def aggregate(self) -> list[TagSummary]:
        durations: dict[str, list[float]] = {}
        for _, tag, duration in self.rows:
            durations.setdefault(tag, []).append(duration)
        return [
            TagSummary(tag, len(values), sum(values) / len(values), max(values))
            for tag, values in sorted(durations.items())
        ]

    def seed(self, size: int) -> None:
        self.rows = list(summary_rows(size))


class AsyncData:
    """The same collection behind coroutines that never suspend."""

    def __init__(self, data: Data) -> None:
        self._data = data

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._data, name)

        async def call(*args: Any) -> Any:
            return method(*args)

        setattr(self, name, call)
        return call


_collections: dict[str, Data] = {}


class Memory(Engine):
    """A dictionary in this process."""

    name = "memory"
    title = "memory"
    drivers = {Mode.BLOCKING: "", Mode.THREADS: "", Mode.ASYNC: ""}
    durabilities = {Durability.VOLATILE: Promise("a dictionary in the process", False, False)}
    round_trips = dict.fromkeys(Operation, 0)
    codec = "none: Python objects"
    transport = "none"
    notes = (
        "the reference: what an answer costs when the database costs nothing",
        "each process has its own data, so that nginx cannot balance over them",
    )
    shared = True
    reference = True
    local = True

    def connect(self) -> Data:
        """Return the collection of this store."""
        return _collections.setdefault(self.collection, Data())

    async def aconnect(self) -> AsyncData:
        """Return the collection of this store, behind coroutines."""
        return AsyncData(self.connect())

    def close(self, db: Data) -> None:
        """Keep the data: it lives as long as the process."""

    async def aclose(self, db: AsyncData) -> None:
        """Keep the data: it lives as long as the process."""

    def ping(self, db: Any) -> Op[str]:
        """Return what it is."""
        yield db.get("")
        return "a Python dictionary"

    def reset(self, db: Any, records: Sequence[Record]) -> Op[None]:
        """Replace the collection."""
        yield db.replace(records)

    def seed_summary(self, db: Any, size: int) -> Op[None]:
        """Replace the summary's rows."""
        yield db.seed(size)

    def create(self, db: Any, record: Record) -> Op[None]:
        """Store a new record."""
        yield db.put(record)

    def read(self, db: Any, id: str) -> Op[Record | None]:
        """Return the record, or None."""
        return (yield db.get(id))  # type: ignore[no-any-return]

    def update(self, db: Any, record: Record) -> Op[bool]:
        """Replace a record; False where there is none of that id."""
        if (yield db.get(record.id)) is None:
            return False
        yield db.put(record)
        return True

    def delete(self, db: Any, id: str) -> Op[bool]:
        """Remove a record; False where there was none."""
        return (yield db.remove(id))  # type: ignore[no-any-return]

    def find(self, db: Any, min_duration: float, limit: int) -> Op[list[Record]]:
        """Return up to `limit` longer records, newest first."""
        return (yield db.longer(min_duration, limit))  # type: ignore[no-any-return]

    def summary(self, db: Any) -> Op[list[TagSummary]]:
        """Aggregate the summary's rows by tag."""
        return (yield db.aggregate())  # type: ignore[no-any-return]
