"""What an engine is: a database through one driver, its operations written once.

Each operation is a generator that yields driver calls and is sent their results; it is driven in
each mode by `server.stores.modes`. `db` is what `connect` or `aconnect` returned: two objects with
the same method names, whose methods answer at once (sync) or return an awaitable (async).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from server.api.enums import Durability, Mode, Operation
from server.api.record import Change, Record, TagSummary
from server.errors import Problem

T = TypeVar("T")
Op = Generator[Any, Any, T]
"""An operation under way: yields driver calls, is sent their results, returns a T."""

Errors = Sequence[tuple[type[BaseException], type[Problem]]]

NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """A database server: its name and its address unless the environment gives another.

    `addresses` maps a durability to a URL where each has its own server; the key None
    stands for all others. `read_address` takes an address of the environment and returns the one
    that an engine is opened with; it raises AddressError for one that cannot be used.
    """

    name: str
    addresses: Mapping[Durability | None, str]
    read_address: Callable[[str], str] = str.strip

    def default(self, durability: Durability) -> str:
        """Return the address of this project's own server for `durability`."""
        return self.addresses.get(durability) or self.addresses[None]


@dataclass(frozen=True, slots=True)
class Promise:
    """How a durability is reached, and what an acknowledged write survives."""

    how: str
    survives_process_crash: bool
    survives_host_crash: bool


@dataclass(frozen=True, slots=True)
class Opening:
    """How an engine is opened.

    `collection` names the table, collection, index or key prefix that belongs to this store
    alone; `deadline` is in seconds and bounds each driver call; `connections` is how many a
    client that is shared may keep.
    """

    collection: str
    durability: Durability
    address: str
    connections: int
    deadline: float


_version = cache(version)
"""A look-up reads files for a millisecond, and /stores asks for each store."""


@cache
def _installed(name: str) -> bool:
    try:
        _version(name)
    except PackageNotFoundError:
        return False
    return True


class Engine(ABC):
    """A database through one driver (or one sync/async pair of a driver), opened for one store.

    A concrete engine states its facts as class attributes and writes its operations as
    generators. `shared` says that one client serves all connections of a store (it keeps a pool
    of its own); otherwise each connection is a `connect` of its own.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    service: ClassVar[Service | None] = None
    drivers: ClassVar[Mapping[Mode, str]]
    """Mode -> the distribution of its driver, '' where Python has it; its keys are the modes."""
    imports: ClassVar[Mapping[Mode, Sequence[str]]] = NOTHING
    """Mode -> modules that `connect` and `aconnect` import and the driver's packages do not."""
    durabilities: ClassVar[Mapping[Durability, Promise]]
    not_available: ClassVar[Mapping[Operation, str]] = NOTHING
    round_trips: ClassVar[Mapping[Operation, int]]
    codec: ClassVar[str]
    transport: ClassVar[str] = "TCP"
    notes: ClassVar[Sequence[str]] = ()
    shared: ClassVar[bool] = False
    reference: ClassVar[bool] = False
    """True for an engine without a database, the zero of the scale."""
    local: ClassVar[bool] = False
    """True where each process has its own data, so that nginx cannot balance over them."""

    def __init__(self, opening: Opening) -> None:
        self.opening = opening
        self.collection = opening.collection
        self.durability = opening.durability
        self.address = opening.address
        self.deadline = opening.deadline

    @classmethod
    def modes(cls) -> tuple[Mode, ...]:
        """Return the modes that the driver allows."""
        return tuple(mode for mode in Mode if mode in cls.drivers)

    @classmethod
    def default_durability(cls) -> Durability:
        """Return the durability that is compared by default: fast where there is one."""
        if Durability.FAST in cls.durabilities:
            return Durability.FAST
        return next(iter(cls.durabilities))

    @classmethod
    def driver(cls, mode: Mode) -> str:
        """Return name and version of the driver; raises PackageNotFoundError if it is missing."""
        name = cls.drivers[mode]
        return f"{name} {_version(name)}" if name else "Python's own"

    @classmethod
    def why_missing(cls, mode: Mode) -> str | None:
        """Return why the engine cannot run in `mode` on this machine, or None."""
        name = cls.drivers[mode]
        if name and not _installed(name):
            return f"driver {name} is not installed: pip install {name}"
        return None

    # -- connections -----------------------------------------------------------------------

    def connect(self) -> Any:
        """Return a sync connection (or shared client); raises the driver's errors."""
        raise NotImplementedError(f"{self.name} has no sync driver")

    async def aconnect(self) -> Any:
        """Return an async connection (or shared client); raises the driver's errors."""
        raise NotImplementedError(f"{self.name} has no async driver")

    def close(self, db: Any) -> None:
        """Close what `connect` returned; also when it is broken, without waiting for the server."""
        db.close()

    async def aclose(self, db: Any) -> None:
        """Close what `aconnect` returned; also when it is broken."""
        await db.close()

    def sever(self, db: Any) -> None:  # noqa: ARG002
        """Break a sync connection from another thread, so that a call that hangs in it ends.

        Only for drivers without a time-out of their own; the others end by themselves.
        """
        return

    def errors(self) -> Errors:
        """Return driver errors, each with the Problem it stands for; the first match counts.

        OSError, EOFError and TimeoutError always mean Unavailable. What matches nothing is a
        fault of ours, and a 500.
        """
        return ()

    def problem(self, error: Exception) -> type[Problem] | None:
        """Return the Problem that a driver's error stands for, None for a fault of ours."""
        matches = (problem for kind, problem in self.errors() if isinstance(error, kind))
        return next(matches, None)

    # -- life of a collection --------------------------------------------------------------

    def prepare(self, db: Any) -> Op[None]:  # noqa: ARG002
        """Make sure that the tables exist; run once for each opening of a store."""
        return
        yield

    @abstractmethod
    def ping(self, db: Any) -> Op[str]:
        """Ask the server something that costs nothing; return its name and version."""

    @abstractmethod
    def reset(self, db: Any, records: Sequence[Record]) -> Op[None]:
        """Make the collection hold exactly `records`: fresh, statistics gathered, checkpointed."""

    @abstractmethod
    def seed_summary(self, db: Any, size: int) -> Op[None]:
        """Make the summary's own table hold exactly `server.api.record.summary_rows(size)`."""

    # -- operations ------------------------------------------------------------------------

    @abstractmethod
    def create(self, db: Any, record: Record) -> Op[None]:
        """Store a new record."""

    @abstractmethod
    def read(self, db: Any, id: str) -> Op[Record | None]:
        """Return the record, or None."""

    @abstractmethod
    def update(self, db: Any, record: Record) -> Op[bool]:
        """Replace every field of a record; False where there is none of that id."""

    @abstractmethod
    def delete(self, db: Any, id: str) -> Op[bool]:
        """Remove a record; False where there was none."""

    @abstractmethod
    def find(self, db: Any, min_duration: float, limit: int) -> Op[list[Record]]:
        """Return up to `limit` records whose duration is greater, newest `when` first."""

    @abstractmethod
    def summary(self, db: Any) -> Op[list[TagSummary]]:
        """Aggregate the summary's own table by tag, sorted by tag."""

    def edit(self, db: Any, id: str, change: Change) -> Op[Record | None]:
        """Read, change, write, without a lock; return the record as written, or None."""
        record = yield from self.read(db, id)
        if record is None:
            return None
        record = record.apply(change)
        is_updated = yield from self.update(db, record)
        return record if is_updated else None
