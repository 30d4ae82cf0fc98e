"""Stores: engines opened in one mode at one durability, when first used and until unused."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from server import aside
from server.api.enums import Durability, Mode, Operation
from server.api.record import Change, Record, TagSummary
from server.api.schemas import Ledger
from server.engines.base import Engine, Opening
from server.errors import NotOffered, Unavailable
from server.modes import WAYS, Times, Waiting
from server.settings import Settings

ADMIN_DEADLINE = 120.0
"""Seconds that a reset or a seeding may take: it is no part of what is measured."""

PROBE_DEADLINE = 1.0


T = TypeVar("T")
Call = Coroutine[Any, Any, T]


class Store:
    """One engine in one mode at one durability. Opened by its first call.

    The operations raise Problem for what a client can be told (see `server.errors`).
    """

    def __init__(
        self,
        engine: type[Engine],
        mode: Mode,
        durability: Durability,
        settings: Settings,
        kind: type[Waiting],
    ) -> None:
        self.engine = engine
        self.mode = mode
        self.durability = durability
        self.id = f"{engine.name}/{mode}/{durability}"
        self.connections = 1 if kind.lone else settings.connections
        self._kind = kind
        self._settings = settings
        self._way: Waiting | None = None
        self._opening = threading.Lock()  # a WSGI worker has several threads
        for operation in engine.not_available:
            setattr(self, operation, self._refuse(operation))

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The operations that the engine offers."""
        return tuple(o for o in Operation if o not in self.engine.not_available)

    @property
    def default(self) -> bool:
        """Whether this is the durability that is compared unless told otherwise."""
        return self.durability is self.engine.default()

    # -- operations: times is filled in as they go. No coroutines of their own: each would be
    # resumed whenever the driver waits, which costs as much as the rest of a call.

    def create(self, times: Times, record: Record) -> Call[None]:
        """Store a new record."""
        way = self._way or self._open()
        return way.call(times, way.engine.create, record)

    def read(self, times: Times, id: str) -> Call[Record | None]:
        """Return the record, or None."""
        way = self._way or self._open()
        return way.call(times, way.engine.read, id)

    def update(self, times: Times, record: Record) -> Call[bool]:
        """Replace a record; False where there is none of that id."""
        way = self._way or self._open()
        return way.call(times, way.engine.update, record)

    def edit(self, times: Times, id: str, change: Change) -> Call[Record | None]:
        """Read, change, write; return the record as written, or None."""
        way = self._way or self._open()
        return way.call(times, way.engine.edit, id, change)

    def delete(self, times: Times, id: str) -> Call[bool]:
        """Remove a record; False where there was none."""
        way = self._way or self._open()
        return way.call(times, way.engine.delete, id)

    def find(self, times: Times, min_duration: float, limit: int) -> Call[list[Record]]:
        """Return up to `limit` records of a greater duration, newest first."""
        way = self._way or self._open()
        return way.call(times, way.engine.find, min_duration, limit)

    def summary(self, times: Times) -> Call[list[TagSummary]]:
        """Aggregate the summary's own table by tag."""
        way = self._way or self._open()
        return way.call(times, way.engine.summary)

    def _open(self) -> Waiting:
        self.require()
        with self._opening:
            if self._way is None:
                self._way = self._kind(self._engine(self._settings.deadline))
            return self._way

    def require(self, operation: Operation | None = None) -> None:
        """Raise NotOffered for what the engine cannot do, Unavailable for a missing driver."""
        if operation is not None and operation in self.engine.not_available:
            raise self._not_offered(operation)
        if missing := self.engine.missing(self.mode):
            raise Unavailable(f"{self.engine.name}: {missing}")

    def _not_offered(self, operation: Operation) -> NotOffered:
        reason = self.engine.not_available[operation]
        return NotOffered(f"{self.engine.name} does not offer {operation}: {reason}")

    def _refuse(self, operation: Operation) -> Callable[..., Call[Any]]:
        async def refused(*_: Any) -> Any:
            raise self._not_offered(operation)

        return refused

    def opened(self, connections: int) -> Engine:
        """Return the engine as it is opened for a call."""
        return self._engine(self._settings.deadline, connections)

    def _engine(self, deadline: float, connections: int | None = None) -> Engine:
        return self.engine(
            Opening(
                collection="records_" + self.id.replace("-", "_").replace("/", "_"),
                durability=self.durability,
                address=self.address,
                connections=connections or self.connections,
                deadline=deadline,
            )
        )

    @property
    def address(self) -> str:
        """The address of its database, '' where it has none."""
        service = self.engine.service
        if service is None:
            return ""
        given = self._settings.address(service.name, self.durability)
        return given or service.default(self.durability)

    # -- life ------------------------------------------------------------------------------

    async def reset(self, records: Sequence[Record]) -> None:
        """Make the collection hold exactly `records`, on a connection of its own."""
        self.require()
        await aside.run(self._engine(ADMIN_DEADLINE, 1), self.mode, "reset", records)

    async def seed_summary(self, size: int) -> None:
        """Make the summary's own table hold `size` rows, on a connection of its own."""
        self.require(Operation.SUMMARY)
        await aside.run(self._engine(ADMIN_DEADLINE, 1), self.mode, "seed_summary", size)

    async def probe(self, begun: asyncio.Event) -> str:
        """Return the database's name and version, on a connection of its own; raises Problem.

        `begun` is set when the driver has been imported and the database is asked.
        """
        self.require()
        return await aside.probe(self._engine(PROBE_DEADLINE, 1), self.mode, begun)

    async def close_unused(self, now: float) -> None:
        """Close the connections if no call came in the settings' idle time before `now`."""
        way = self._way
        if way is not None and way.idle and now - way.used > self._settings.idle:
            self._way = None
            await way.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._way is not None:
            way, self._way = self._way, None
            await way.close()

    def ledger(self, server: str | None) -> Ledger:
        """Return what is to be known of this store beside its figures; see docs/method.md."""
        engine, promise = self.engine, self.engine.durabilities[self.durability]
        return {
            "driver": engine.missing(self.mode) or engine.driver(self.mode),
            "server": server,
            "promise": promise.how,
            "survives_process_crash": promise.survives_process_crash,
            "survives_host_crash": promise.survives_host_crash,
            "connections": self.connections,
            "round_trips": {
                o.value: n for o, n in engine.round_trips.items() if o in self.operations
            },
            "codec": engine.codec,
            "transport": engine.transport,
            "notes": list(engine.notes),
        }


class Stores(Mapping[str, Store]):
    """Every store there is, by id, in the order of engines, modes and durabilities.

    `ways` says how each mode waits; a mode that it leaves out has no stores.
    """

    def __init__(
        self,
        engines: Iterable[type[Engine]],
        settings: Settings,
        ways: Mapping[Mode, type[Waiting]] = WAYS,
    ) -> None:
        self._stores = {
            store.id: store
            for engine in engines
            for mode in engine.modes()
            if mode in ways
            for durability in engine.durabilities
            for store in (Store(engine, mode, durability, settings, ways[mode]),)
        }

    def __getitem__(self, id: str) -> Store:
        return self._stores[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stores)

    def __len__(self) -> int:
        return len(self._stores)

    async def close_unused(self) -> None:
        """Close the connections of stores that nobody uses."""
        now = time.perf_counter()
        for store in self.values():
            await store.close_unused(now)

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(*(store.close() for store in self.values()))
