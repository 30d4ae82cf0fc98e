"""What one process recorded of a test, second by second, until it is fetched."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, cast

import gevent
import msgspec

from windtunnel.client.client import Client
from windtunnel.recording.health import LoopLag, descriptors
from windtunnel.recording.histogram import Histogram
from windtunnel.recording.recorder import NO_POOL, Histograms, Key, Latencies, merge_into
from windtunnel.recording.series import SampledRequest
from windtunnel.workload.open_loop import StreamStats
from windtunnel.workload.user_pool import UserPool

if TYPE_CHECKING:
    from windtunnel.workload.user import StoreUser

FIELD: Final = "windtunnel"
"""The key of a worker's report to its master."""

EARLY: Final = 0.01
"""Seconds before the end of a second at which a timer that was set for it may come."""

InFlight = list[tuple[str, str, int]]
"""How many requests are in flight, by store and by the pool that is likely to answer."""


class Report(msgspec.Struct, frozen=True, array_like=True):
    """What a process recorded since its last report, by second of its collector's clock.

    `sent` and `retried` are by store; `in_flight` is as it was when a second ended, `until` the
    last second that is complete. `samples` have a store and no other conditions. `cpu_s` is what
    the process itself spent, `lag` how late its loop was. `depleted` is whether a user has had no
    record left to delete.
    """

    seconds: dict[int, list[tuple[Key, Latencies]]]
    sent: StreamStats
    retried: dict[str, int]
    until: int = 0
    in_flight: dict[int, InFlight] = {}
    samples: list[SampledRequest] = []
    cpu_s: float = 0.0
    lag: Histogram = msgspec.field(default_factory=Histogram)
    descriptors: int = 0
    depleted: bool = False


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Report).decode


class Collector:
    """Drains the recorder of a user pool at the end of every second of a clock.

    Only what is recorded from now on counts. `deliver`, if it is given, gets a report right then;
    otherwise reports are to be fetched. Counting what is in flight takes a walk over all users, so
    it is left out where nobody reads it.
    """

    def __init__(
        self,
        user_pool: UserPool,
        take_stats: Callable[[], StreamStats],
        deliver: Callable[[Report], None] | None = None,
        clock: Callable[[], float] = time.time,
        *,
        counts_in_flight: bool = True,
    ) -> None:
        self._user_pool = user_pool
        self._counts_in_flight = counts_in_flight
        self._take_sent = take_stats
        self._deliver = deliver
        self._clock = clock
        self._seconds: dict[int, Histograms] = {}
        self._in_flight: dict[int, InFlight] = {}
        self._samples: list[SampledRequest] = []
        self._answering: dict[tuple[type, str], str] = {}
        self._until = int(clock()) - 1
        self._cpu = time.process_time()
        self._lag = LoopLag()
        user_pool.recorder.take()
        user_pool.retries.clear()
        if user_pool.sampler is not None:
            user_pool.sampler.take()
        self._greenlet: gevent.Greenlet = gevent.spawn(self._work)

    def fetch(self) -> Report:
        """Return what was recorded since the last call, but for the second that has not ended."""
        seconds, self._seconds = self._seconds, {}
        in_flight, self._in_flight = self._in_flight, {}
        samples, self._samples = self._samples, []
        retried = dict(self._user_pool.retries)
        self._user_pool.retries.clear()
        return Report(
            {second: list(histograms.items()) for second, histograms in seconds.items()},
            self._take_sent(),
            retried,
            self._until,
            in_flight,
            samples,
            self._spent(),
            self._lag.take(),
            descriptors(),
            self._user_pool.depleted.is_set(),
        )

    def end(self) -> Report:
        """Return what is left, and collect no more."""
        self._greenlet.kill()
        self._lag.stop()
        self._drain(int(self._clock()))
        return self.fetch()

    def _work(self) -> None:
        while True:
            second = int(self._clock() + EARLY)
            gevent.sleep(max(0.0, second + 1 - self._clock()))
            self._drain(second)
            if self._deliver is not None:
                self._deliver(self.fetch())

    def _spent(self) -> float:
        before, self._cpu = self._cpu, time.process_time()
        return self._cpu - before

    def _drain(self, second: int) -> None:
        user_pool = self._user_pool
        merge_into(self._seconds.setdefault(second, {}), user_pool.recorder.take())
        if self._counts_in_flight:
            self._in_flight[second] = in_flight(user_pool, self._answering)
        self._until = second
        if user_pool.sampler is not None:
            self._samples += [sample.as_line() for sample in user_pool.sampler.take()]


def in_flight(user_pool: UserPool, answering: dict[tuple[type, str], str]) -> InFlight:
    """Count the requests of a user pool that have no response yet.

    A user without any response yet, as many are when a server stalls, counts for the pool that
    answers others of its class; `answering` remembers these.
    """
    users = [
        cast("StoreUser", client.owner)
        for client in user_pool.deadlines.pending
        if isinstance(client, Client) and client.owner is not None
    ]
    for user in users:
        if user.pool != NO_POOL:
            answering[type(user), user.assignment.store] = user.pool
    counts: Counter[tuple[str, str]] = Counter()
    for user in users:
        store, pool = user.assignment.store, user.pool
        if pool == NO_POOL:
            pool = answering.get((type(user), store), NO_POOL)
        counts[store, pool] += 1
    return [(store, pool, count) for (store, pool), count in counts.items()]


def by_store(histograms: Mapping[Key, Latencies]) -> dict[str, Histograms]:
    """Part what was recorded by store."""
    parts: dict[str, Histograms] = {}
    for key, latencies in histograms.items():
        parts.setdefault(key.store, {})[key] = latencies
    return parts
