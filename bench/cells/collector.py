"""What one process recorded under Locust, second by second, until it is fetched."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

import gevent
import msgspec

from bench.client import Client
from bench.load.crowd import Crowd
from bench.load.lane import SentByStream
from bench.measure.health import Lag, descriptors
from bench.measure.recorder import NO_POOL, Counts, Key, Recorded, Times, merge
from bench.measure.sampler import told

FIELD: Final = "windtunnel"
"""Under which a worker's report to its master stands."""

EARLY: Final = 0.01
"""Seconds before the end of a second at which a timer that was set for it may come."""

UnderWay = list[tuple[str, str, int]]
"""How many requests are under way, by store and by the pool that is likely to answer."""


class Report(msgspec.Struct, frozen=True, array_like=True):
    """What was recorded since the last one: by second (of the epoch), by store, counts by store.

    `under_way` is as it was when a second ended, `until` the last second that is whole, `samples`
    are lines of `samples.jsonl` but for what names the cell; `cpu_s` is what the process itself
    spent, `lag` how late its loop was (microseconds by bucket).
    """

    seconds: dict[int, list[tuple[Key, Times]]]
    sent: SentByStream
    retried: dict[str, int]
    until: int = 0
    under_way: dict[int, UnderWay] = {}
    samples: list[dict[str, Any]] = []
    cpu_s: float = 0.0
    lag: Counts = {}
    descriptors: int = 0


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Report).decode


class Collector:
    """Drains the recorder of a crowd at the end of every second of the clock.

    `deliver`, if there is one, gets a report right then; otherwise it is to be fetched.
    """

    def __init__(
        self,
        crowd: Crowd,
        take_sent: Callable[[], SentByStream],
        deliver: Callable[[Report], None] | None = None,
    ) -> None:
        self._crowd = crowd
        self._take_sent = take_sent
        self._deliver = deliver
        self._seconds: dict[int, Recorded] = {}
        self._under_way: dict[int, UnderWay] = {}
        self._samples: list[dict[str, Any]] = []
        self._answering: dict[tuple[type, str], str] = {}
        self._until = int(time.time()) - 1
        self._cpu = time.process_time()
        self._lag = Lag()
        self._greenlet: gevent.Greenlet = gevent.spawn(self._work)

    def fetch(self) -> Report:
        """Return what was recorded since the last call, the second under way excepted."""
        taken, self._seconds = self._seconds, {}
        under_way, self._under_way = self._under_way, {}
        samples, self._samples = self._samples, []
        retried = dict(self._crowd.retried)
        self._crowd.retried.clear()
        return Report(
            {second: list(recorded.items()) for second, recorded in taken.items()},
            self._take_sent(),
            retried,
            self._until,
            under_way,
            samples,
            self._spent(),
            self._lag.take(),
            descriptors(),
        )

    def end(self) -> Report:
        """Return what is left, and collect no more."""
        self._greenlet.kill()
        self._lag.stop()
        self._drain(int(time.time()))
        return self.fetch()

    def _work(self) -> None:
        while True:
            second = int(time.time() + EARLY)
            gevent.sleep(max(0.0, second + 1 - time.time()))
            self._drain(second)
            if self._deliver is not None:
                self._deliver(self.fetch())

    def _spent(self) -> float:
        before, self._cpu = self._cpu, time.process_time()
        return self._cpu - before

    def _drain(self, second: int) -> None:
        crowd = self._crowd
        merge(self._seconds.setdefault(second, {}), crowd.recorder.take())
        self._under_way[second] = under_way(crowd, self._answering)
        self._until = second
        if crowd.sampler is not None:
            self._samples += [{"store": one.store, **told(one)} for one in crowd.sampler.take()]


def under_way(crowd: Crowd, answering: dict[tuple[type, str], str]) -> UnderWay:
    """Count the requests of a crowd that have no answer yet.

    A sender that is new, as many are when a server stalls, is counted with the pool that answers
    others of its kind; `answering` remembers these.
    """
    senders: list[Any] = [
        client.owner
        for client in crowd.deadlines.pending
        if isinstance(client, Client) and client.owner is not None
    ]
    for one in senders:
        if one.pool != NO_POOL:
            answering[type(one), one.place.store] = one.pool
    found: Counter[tuple[str, str]] = Counter()
    for one in senders:
        store, pool = one.place.store, one.pool
        if pool == NO_POOL:
            pool = answering.get((type(one), store), NO_POOL)
        found[store, pool] += 1
    return [(store, pool, number) for (store, pool), number in found.items()]


def by_store(recorded: Mapping[Key, Times]) -> dict[str, Recorded]:
    """Part what was recorded by store."""
    parts: dict[str, Recorded] = {}
    for key, times in recorded.items():
        parts.setdefault(key.store, {})[key] = times
    return parts
