"""What the users of one process share, and how they are divided over stores and records."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from gevent.event import Event

from bench.client import Target
from bench.contract import Record
from bench.deadlines import Deadlines
from bench.mixes import MIXES, Mix
from bench.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Terms:
    """What users are told to do. `timeout` and `spread` in seconds.

    `spread` is the time over which users begin, so that they do not march in step.
    """

    target: str
    mix: str
    seed: int
    population: int
    summary_size: int = 0
    timeout: float = 10.0
    spread: float = 0.1


@dataclass(slots=True)
class Place:
    """One user's place: its store, the records it owns, its own random numbers."""

    store: str
    owned: list[Record]
    rng: random.Random


@dataclass(slots=True)
class Crowd:
    """The users of one process. `free` holds, by store, the records that no user owns yet.

    `users` is how many are expected here, `rank` this process's number among the workers.
    """

    terms: Terms
    free: Mapping[str, list[Record]]
    users: int
    rank: int = 0
    recorder: Recorder = field(default_factory=Recorder)
    depleted: Event = field(default_factory=Event)
    target: Target = field(init=False)
    deadlines: Deadlines = field(init=False)
    _at: Counter[str] = field(default_factory=Counter)
    _joined: int = 0
    _shares: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.target = Target(self.terms.target)
        self.deadlines = Deadlines(self.terms.timeout)
        of_a_store = max(1, -(-self.users // len(self.free)))
        self._shares = {s: max(1, len(free) // of_a_store) for s, free in self.free.items()}

    @property
    def mix(self) -> Mix:
        """The mix that users draw from."""
        return MIXES[self.terms.mix]

    def join(self) -> Place:
        """Give a new user the store with the fewest users, and a share of its free records."""
        store = min(self._by_turn(), key=self._at.__getitem__)
        self._at[store] += 1
        rng = random.Random(f"user:{self.terms.seed}:{self.rank}:{self._joined}")
        self._joined += 1
        return Place(store, self._share(store), rng)

    def leave(self, place: Place) -> None:
        """Take back what a user owned."""
        self._at[place.store] -= 1
        self.free[place.store].extend(place.owned)

    def _by_turn(self) -> list[str]:
        stores = list(self.free)
        first = self.rank % len(stores)
        return stores[first:] + stores[:first]

    def _share(self, store: str) -> list[Record]:
        free, size = self.free[store], self._shares[store]
        taken = free[-size:]
        del free[-size:]
        return taken
