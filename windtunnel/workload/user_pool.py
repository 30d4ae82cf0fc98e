"""The users of one process: what they share, and which store and records each of them gets."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from gevent.event import Event

from windtunnel.client.address import Address
from windtunnel.client.api import Record
from windtunnel.client.deadlines import Deadlines
from windtunnel.recording.recorder import Recorder
from windtunnel.recording.sampler import Sampler
from windtunnel.workload.dataset import RecordPool
from windtunnel.workload.mixes import MIXES, Mix, OperationBag, consumes
from windtunnel.workload.slow import SlowWork


@dataclass(frozen=True, slots=True)
class UserConfig:
    """What users are configured with; `timeout` and `spread` in seconds.

    Users start at random times within `spread`, so that they do not march in step. With `cookies`
    each user keeps the cookies it receives. `work` is the slow work, if there is any, and
    `summary_stores` maps a store to the store whose summary that work requests.
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
    """What one user works with: its store, its records, its operations, its random numbers.

    Closed users share nothing but the store; under open load, where users are interchangeable,
    all users of a store share one assignment.
    """

    store: str
    record_pool: RecordPool
    bag: OperationBag
    rng: random.Random


def _set_event() -> Event:
    event = Event()
    event.set()
    return event


@dataclass(slots=True)
class UserPool:
    """The users of one process. `free_records` holds, by store, the records that no user owns yet.

    `users` is how many are expected here, `rank` this process's number among the workers; each
    `round` has random arrivals of its own. Under open load, requests scheduled before `since`
    (`time.perf_counter()`) are not recorded; `closed_load` is set while the load is closed.
    `retries` counts, by store, the requests that were sent a second time.
    """

    config: UserConfig
    free_records: Mapping[str, list[Record]]
    users: int
    rank: int = 0
    round: int = 1
    recorder: Recorder = field(default_factory=Recorder)
    since: float = 0.0
    sampler: Sampler | None = None
    retries: Counter[str] = field(default_factory=Counter)
    depleted: Event = field(default_factory=Event)
    closed_load: Event = field(default_factory=_set_event)
    address: Address = field(init=False)
    deadlines: Deadlines = field(init=False)
    _user_counts: Counter[str] = field(default_factory=Counter)
    _joined: int = 0
    _records_per_user: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.address = Address(self.config.target)
        self.deadlines = Deadlines(self.config.timeout)
        users_per_store = max(1, -(-self.users // len(self.free_records)))
        self._records_per_user = {
            store: max(1, len(records) // users_per_store)
            for store, records in self.free_records.items()
        }

    @property
    def mix(self) -> Mix:
        """The mix that users draw their operations from."""
        return MIXES[self.config.mix]

    @property
    def has_users(self) -> bool:
        """Whether any closed user has joined and not left."""
        return any(self._user_counts.values())

    def join(self) -> Assignment:
        """Assign to a new user the store with the fewest users, and a share of its free records."""
        store = min(self._stores_in_turn(), key=self._user_counts.__getitem__)
        self._user_counts[store] += 1
        rng = random.Random(f"user:{self.config.seed}:{self.rank}:{self._joined}")
        self._joined += 1
        records = RecordPool(self._take_records(store))
        return Assignment(store, records, OperationBag(self.mix, rng), rng)

    def leave(self, assignment: Assignment) -> None:
        """Take back the records of a user, as far as their state is certain."""
        self._user_counts[assignment.store] -= 1
        self.free_records[assignment.store].extend(assignment.record_pool.certain_records)

    def shared_assignment(self, store: str) -> Assignment:
        """Return the assignment that all users of a store share under open load."""
        rng = random.Random(f"store:{self.config.seed}:{self.rank}:{store}")
        records = RecordPool(self.free_records[store])
        return Assignment(store, records, OperationBag(self.mix, rng), rng)

    def note_depletion(self) -> None:
        """Set `depleted` if the mix deletes more records than it creates, and none is left."""
        if consumes(self.mix):
            self.depleted.set()

    def _stores_in_turn(self) -> list[str]:
        stores = list(self.free_records)
        first = self.rank % len(stores)
        return stores[first:] + stores[:first]

    def _take_records(self, store: str) -> list[Record]:
        records, size = self.free_records[store], self._records_per_user[store]
        share = records[-size:]
        del records[-size:]
        return share
