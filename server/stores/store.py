"""A store: an engine opened in one mode at one durability, by its first call and until unused."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from server.api.enums import Durability, Mode, Operation
from server.api.record import Change, Record, TagSummary
from server.api.schemas import Ledger
from server.engines._addresses import address_of, check_addresses
from server.engines.base import Engine, Opening
from server.errors import NotOffered, Unavailable
from server.settings import Settings
from server.stores.admin import probe_database, run_unmeasured
from server.stores.modes import EXECUTORS, CallTimes, OperationExecutor

ADMIN_DEADLINE = 120.0
"""Seconds that a reset or a seeding may take; neither is measured."""

PROBE_DEADLINE = 1.0

log = logging.getLogger("server")

T = TypeVar("T")
Call = Coroutine[Any, Any, T]


class Store:
    """One engine in one mode at one durability, opened by its first call.

    Raises AddressError for an address in the environment that cannot be used. The operations
    raise Problem where an answer can say what went wrong (see `server.errors`).
    """

    def __init__(
        self,
        engine: type[Engine],
        mode: Mode,
        durability: Durability,
        settings: Settings,
        executor_class: type[OperationExecutor],
    ) -> None:
        self.engine = engine
        self.mode = mode
        self.durability = durability
        self.id = f"{engine.name}/{mode}/{durability}"
        self.address = address_of(engine.service, durability, settings)
        """The address of its database, '' where it has none."""
        self.connections = 1 if executor_class.single_connection else settings.connections
        self._executor_class = executor_class
        self._settings = settings
        self._executor: OperationExecutor | None = None
        self._opening = threading.Lock()  # a WSGI worker has several threads
        for operation in engine.not_available:
            setattr(self, operation, self._refuse(operation))

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The operations that the engine offers."""
        return tuple(o for o in Operation if o not in self.engine.not_available)

    @property
    def is_default(self) -> bool:
        """Whether this is the engine's durability that is compared by default."""
        return self.durability is self.engine.default_durability()

    # -- operations: each fills in `times`. They are no coroutines: one more would be resumed
    # whenever the driver waits, which costs as much as the rest of a call.

    def create(self, times: CallTimes, record: Record) -> Call[None]:
        """Store a new record."""
        executor = self._executor or self._open()
        return executor.call(times, executor.engine.create, record)

    def read(self, times: CallTimes, id: str) -> Call[Record | None]:
        """Return the record, or None."""
        executor = self._executor or self._open()
        return executor.call(times, executor.engine.read, id)

    def update(self, times: CallTimes, record: Record) -> Call[bool]:
        """Replace a record; False where there is none of that id."""
        executor = self._executor or self._open()
        return executor.call(times, executor.engine.update, record)

    def edit(self, times: CallTimes, id: str, change: Change) -> Call[Record | None]:
        """Read, change, write; return the record as written, or None."""
        executor = self._executor or self._open()
        return executor.call(times, executor.engine.edit, id, change)

    def delete(self, times: CallTimes, id: str) -> Call[bool]:
        """Remove a record; False where there was none."""
        executor = self._executor or self._open()
        return executor.call(times, executor.engine.delete, id)

    def find(self, times: CallTimes, min_duration: float, limit: int) -> Call[list[Record]]:
        """Return up to `limit` records of a greater duration, newest first."""
        executor = self._executor or self._open()
        return executor.call(times, executor.engine.find, min_duration, limit)

    def summary(self, times: CallTimes) -> Call[list[TagSummary]]:
        """Aggregate the summary's own table by tag."""
        executor = self._executor or self._open()
        return executor.call(times, executor.engine.summary)

    def _open(self) -> OperationExecutor:
        self.require()
        with self._opening:
            if self._executor is None:
                self._executor = self._executor_class(self._engine(self._settings.deadline))
            return self._executor

    def require(self, operation: Operation | None = None) -> None:
        """Raise NotOffered for what the engine cannot do, Unavailable for a missing driver."""
        if operation is not None and operation in self.engine.not_available:
            raise self._not_offered(operation)
        if missing := self.engine.why_missing(self.mode):
            raise Unavailable(f"{self.engine.name}: {missing}")

    def _not_offered(self, operation: Operation) -> NotOffered:
        reason = self.engine.not_available[operation]
        return NotOffered(f"{self.engine.name} does not offer {operation}: {reason}")

    def _refuse(self, operation: Operation) -> Callable[..., Call[Any]]:
        async def refused(*_: Any) -> Any:
            raise self._not_offered(operation)

        return refused

    def new_engine(self, connections: int) -> Engine:
        """Return a new engine, for calls on so many connections."""
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

    # -- life ------------------------------------------------------------------------------

    async def reset(self, records: Sequence[Record]) -> None:
        """Make the collection hold exactly `records`, on an own connection."""
        self.require()
        await run_unmeasured(self._engine(ADMIN_DEADLINE, 1), self.mode, "reset", records)

    async def seed_summary(self, size: int) -> None:
        """Make the summary's own table hold `size` rows, on an own connection."""
        self.require(Operation.SUMMARY)
        await run_unmeasured(self._engine(ADMIN_DEADLINE, 1), self.mode, "seed_summary", size)

    async def probe(self, imported: asyncio.Event) -> str:
        """Return the database's name and version, on an own connection; raises Problem.

        `imported` is set once the driver has been imported.
        """
        self.require()
        return await probe_database(self._engine(PROBE_DEADLINE, 1), self.mode, imported)

    @property
    def shares_client(self) -> bool:
        """True while the calls of this store share a client that is awaited."""
        return self._executor is not None and self._executor.shares_client

    async def check_client(self) -> None:
        """Ask the client in use, and let the next call open a new one where it is wedged."""
        if self._executor is None:
            return
        reason = await self._executor.check_client(PROBE_DEADLINE)
        if reason:
            log.warning("%s: its client did not answer and was given up: %s", self.id, reason)

    async def close_unused(self, now: float) -> None:
        """Close the connections if no call came in the settings' idle time before `now`."""
        executor, idle_s = self._executor, self._settings.idle
        if executor is not None and executor.idle and now - executor.last_used > idle_s:
            self._executor = None
            await executor.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._executor is not None:
            executor, self._executor = self._executor, None
            await executor.close()

    def ledger(self, server: str | None) -> Ledger:
        """Return the facts printed beside this store's figures; see docs/method.md."""
        engine, promise = self.engine, self.engine.durabilities[self.durability]
        return {
            "driver": engine.why_missing(self.mode) or engine.driver(self.mode),
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
    """Every store by its id, in the order of engines, modes and durabilities.

    `executors` has what runs the calls of each mode; a mode without one has no stores. Raises
    AddressError for an address in the environment that cannot be used.
    """

    def __init__(
        self,
        engines: Iterable[type[Engine]],
        settings: Settings,
        executors: Mapping[Mode, type[OperationExecutor]] = EXECUTORS,
    ) -> None:
        classes = list(engines)
        check_addresses(classes, settings)
        self._stores = {
            store.id: store
            for engine in classes
            for mode in engine.modes()
            if mode in executors
            for durability in engine.durabilities
            for store in (Store(engine, mode, durability, settings, executors[mode]),)
        }

    def __getitem__(self, id: str) -> Store:
        return self._stores[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stores)

    def __len__(self) -> int:
        return len(self._stores)

    async def check_clients(self) -> None:
        """Ask the clients in use, all at once; those that are wedged are given up."""
        stores = [store for store in self.values() if store.shares_client]
        if stores:  # a WSGI worker has none, and no loop
            await asyncio.gather(*(store.check_client() for store in stores))

    async def close_unused(self) -> None:
        """Close the connections of unused stores."""
        now = time.perf_counter()
        for store in self.values():
            await store.close_unused(now)

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(*(store.close() for store in self.values()))
