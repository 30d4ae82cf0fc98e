"""What the users of one process share, and how they are divided over stores and records."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from gevent.event import Event

from windtunnel.client.address import Address
from windtunnel.client.api import Record
from windtunnel.client.timers import Deadlines
from windtunnel.recording.recorder import Recorder
from windtunnel.recording.sampler import Sampler
from windtunnel.workload.dataset import RecordPool
from windtunnel.workload.mixes import MIXES, Mix, OperationBag, consumes
from windtunnel.workload.slow import SlowWork


@dataclass(frozen=True, slots=True)
class UserConfig:
    """What users are told to do. `timeout` and `spread` in seconds.

    `spread` is the time over which users begin, so that they do not march in step. With `cookies`
    each user keeps those that it is sent. `work` is what slow work there is, if there is any;
    `summary_stores` has, by store, whose summary that asks for.
    """

    target: str
    mix: str
    seed: int
    population: int
    summary_size: int = 0
    timeout: float = 10.0
    spread: float = 0.1
    retry_stale: bool = False
    cookies: bool = False
    work: SlowWork = field(default_factory=SlowWork)
    summary_stores: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Assignment:
    """One user's place: its store, its records, its deck of operations, its random numbers.

    Closed users have all but the store for themselves; under open load, where one is as good as
    another, those of a store share.
    """

    store: str
    stock: RecordPool
    deck: OperationBag
    rng: random.Random


def _set() -> Event:
    event = Event()
    event.set()
    return event


@dataclass(slots=True)
class UserPool:
    """The users of one process. `free` holds, by store, the records that no user owns yet.

    `users` is how many are expected here, `rank` this process's number among the workers; random
    arrivals are others in every `round`. Under open load what was intended before `since`
    (`time.perf_counter()`) is not recorded; `closed` is set while the load is closed. `retried`
    counts, by store, requests that were sent once more.
    """

    terms: UserConfig
    free: Mapping[str, list[Record]]
    users: int
    rank: int = 0
    round: int = 1
    recorder: Recorder = field(default_factory=Recorder)
    since: float = 0.0
    sampler: Sampler | None = None
    retried: Counter[str] = field(default_factory=Counter)
    depleted: Event = field(default_factory=Event)
    closed: Event = field(default_factory=_set)
    target: Address = field(init=False)
    deadlines: Deadlines = field(init=False)
    _at: Counter[str] = field(default_factory=Counter)
    _joined: int = 0
    _shares: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.target = Address(self.terms.target)
        self.deadlines = Deadlines(self.terms.timeout)
        of_a_store = max(1, -(-self.users // len(self.free)))
        self._shares = {s: max(1, len(free) // of_a_store) for s, free in self.free.items()}

    @property
    def mix(self) -> Mix:
        """The mix that users draw from."""
        return MIXES[self.terms.mix]

    def join(self) -> Assignment:
        """Give a new user the store with the fewest users, and a share of its free records."""
        store = min(self._by_turn(), key=self._at.__getitem__)
        self._at[store] += 1
        rng = random.Random(f"user:{self.terms.seed}:{self.rank}:{self._joined}")
        self._joined += 1
        return Assignment(store, RecordPool(self._share(store)), OperationBag(self.mix, rng), rng)

    @property
    def inhabited(self) -> bool:
        """Whether any user has a place."""
        return any(self._at.values())

    def leave(self, place: Assignment) -> None:
        """Take back what a user owned, as far as its state is certain."""
        self._at[place.store] -= 1
        self.free[place.store].extend(place.stock.settled)

    def common(self, store: str) -> Assignment:
        """Return the place that all requests to a store share under open load."""
        rng = random.Random(f"store:{self.terms.seed}:{self.rank}:{store}")
        return Assignment(store, RecordPool(self.free[store]), OperationBag(self.mix, rng), rng)

    def deplete(self) -> None:
        """Take note that there is nothing left to delete, if that is what the mix comes to."""
        if consumes(self.mix):
            self.depleted.set()

    def _by_turn(self) -> list[str]:
        stores = list(self.free)
        first = self.rank % len(stores)
        return stores[first:] + stores[:first]

    def _share(self, store: str) -> list[Record]:
        free, size = self.free[store], self._shares[store]
        taken = free[-size:]
        del free[-size:]
        return taken
