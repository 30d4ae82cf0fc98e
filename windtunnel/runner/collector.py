"""What one process recorded under Locust, second by second, until it is fetched."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, cast

import gevent
import msgspec

from windtunnel.client.client import Client
from windtunnel.client.response import OK, STALE
from windtunnel.recording.health import LoopLag, descriptors
from windtunnel.recording.histogram import Histogram
from windtunnel.recording.recorder import NO_POOL, Histograms, Key, Latencies, Recorder, merge_into
from windtunnel.recording.results import PARTIAL_FILE
from windtunnel.recording.sampler import Sampler
from windtunnel.recording.streams import SAMPLES_FILE, SERIES_FILE
from windtunnel.workload.open_loop import ScheduleStats, StreamStats
from windtunnel.workload.user_pool import UserPool

if TYPE_CHECKING:
    from windtunnel.workload.user import StoreUser

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
    spent, `lag` how late its loop was.
    """

    seconds: dict[int, list[tuple[Key, Latencies]]]
    sent: StreamStats
    retried: dict[str, int]
    until: int = 0
    under_way: dict[int, UnderWay] = {}
    samples: list[dict[str, Any]] = []
    cpu_s: float = 0.0
    lag: Histogram = msgspec.field(default_factory=Histogram)
    descriptors: int = 0


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Report).decode


class Collector:
    """Drains the recorder of a user_pool at the end of every second of the clock.

    `deliver`, if there is one, gets a report right then; otherwise it is to be fetched.
    """

    def __init__(
        self,
        user_pool: UserPool,
        take_stats: Callable[[], StreamStats],
        deliver: Callable[[Report], None] | None = None,
    ) -> None:
        self._user_pool = user_pool
        self._take_stats = take_stats
        self._deliver = deliver
        self._seconds: dict[int, Histograms] = {}
        self._under_way: dict[int, UnderWay] = {}
        self._samples: list[dict[str, Any]] = []
        self._answering: dict[tuple[type, str], str] = {}
        self._until = int(time.time()) - 1
        self._cpu = time.process_time()
        self._lag = LoopLag()
        self._greenlet: gevent.Greenlet = gevent.spawn(self._work)

    def fetch(self) -> Report:
        """Return what was recorded since the last call, the second under way excepted."""
        taken, self._seconds = self._seconds, {}
        under_way, self._under_way = self._under_way, {}
        samples, self._samples = self._samples, []
        retried = dict(self._user_pool.retries)
        self._user_pool.retries.clear()
        return Report(
            {second: list(recorded.items()) for second, recorded in taken.items()},
            self._take_stats(),
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
        user_pool = self._user_pool
        merge_into(self._seconds.setdefault(second, {}), user_pool.recorder.take())
        self._under_way[second] = under_way(user_pool, self._answering)
        self._until = second
        if user_pool.sampler is not None:
            self._samples += [
                {"store": one.store, **one.as_dict()} for one in user_pool.sampler.take()
            ]


def under_way(user_pool: UserPool, answering: dict[tuple[type, str], str]) -> UnderWay:
    """Count the requests in flight of a process, by store and by the pool likely to answer.

    A new user, as many are when a server stalls, is counted with the pool that answers others of
    its class; `answering` remembers these.
    """
    users = [
        cast("StoreUser", client.owner)
        for client in user_pool.deadlines.pending
        if isinstance(client, Client) and client.owner is not None
    ]
    for user in users:
        if user.pool != NO_POOL:
            answering[type(user), user.assignment.store] = user.pool
    numbers: Counter[tuple[str, str]] = Counter()
    for user in users:
        store, pool = user.assignment.store, user.pool
        if pool == NO_POOL:
            pool = answering.get((type(user), store), NO_POOL)
        numbers[store, pool] += 1
    return [(store, pool, number) for (store, pool), number in numbers.items()]


def by_store(recorded: Mapping[Key, Latencies]) -> dict[str, Histograms]:
    """Part what was recorded by store."""
    parts: dict[str, Histograms] = {}
    for key, times in recorded.items():
        parts.setdefault(key.store, {})[key] = times
    return parts


# What a recorder counted, second by second and in all, on disk while it goes on.


PARTIAL_EVERY: Final = 5
"""Seconds after which what is under way is written once more."""

INCOMPLETE: Final = "incomplete: not finished when this was written"

_SHOWN: Final = ("p50", "p99")


class Recording:
    """Drains a recorder every second, from when it is made until it is told to `end`.

    `folder` gets the files, if there is one; `facts` is what every line of them begins with, and
    `counted` tells what else a cell says of what was recorded so far.
    Should that fail, `error` says so and the rest is recorded without.
    """

    def __init__(
        self,
        recorder: Recorder,
        folder: Path | None,
        facts: Mapping[str, Any],
        sampler: Sampler | None = None,
        counted: Callable[[Histograms], Mapping[str, Any]] = lambda _: {},
    ) -> None:
        self.error: OSError | None = None
        self._recorder = recorder
        self._folder = folder
        self._facts = facts
        self._sampler = sampler
        self._counted = counted
        self._total: Histograms = {}
        self._second = 0
        self._began = perf_counter()
        recorder.take()
        if sampler is not None:
            sampler.take()
        self._greenlet = gevent.spawn(self._work)

    def end(self) -> Histograms:
        """Return all that was recorded, each second of it on disk."""
        self._greenlet.kill()
        self._drain(last=True)
        self._write(_no_partial)
        return self._total

    def _work(self) -> None:
        while True:
            gevent.sleep(max(0.0, self._began + self._second + 1 - perf_counter()))
            self._drain()
            if self._folder is not None and self._second % PARTIAL_EVERY == 0:
                self._write(partial(write_partial, cells=[self._cell()]))

    def _drain(self, *, last: bool = False) -> None:
        taken = self._recorder.take()
        if last and not taken:
            return
        merge_into(self._total, taken)
        line = {**self._facts, "second": self._second, "operations": seconds(taken)}
        self._second += 1
        self._write(partial(append_second, line=line))
        if self._sampler is not None:
            samples = [{**self._facts, **one.as_dict()} for one in self._sampler.take()]
            self._write(partial(append_samples, samples=samples))

    def _cell(self) -> dict[str, Any]:
        cell = unfinished(self._facts, self._total, perf_counter() - self._began)
        return cell | dict(self._counted(self._total))

    def _write(self, what: Callable[[Path], None]) -> None:
        if self._folder is None:
            return
        try:
            what(self._folder)
        except OSError as error:
            self.error, self._folder = error, None


def unfinished(facts: Mapping[str, Any], recorded: Histograms, seconds: float) -> dict[str, Any]:
    """Return what is known of a cell under way, as a line of `partial.jsonl`."""
    return {**facts, **measured(recorded, seconds), "flags": [INCOMPLETE]}


def measured(recorded: Histograms, seconds: float) -> dict[str, Any]:
    """Return what a cell says of `seconds` in which this was recorded."""
    return {
        "seconds": round(seconds, 6),
        "throughput_rps": round(right(recorded) / seconds, 3),
        "operations": operations(recorded),
    }


def append_second(folder: Path, line: Mapping[str, Any]) -> None:
    """Add a line to `series.jsonl`; raises OSError."""
    with (folder / SERIES_FILE).open("ab") as file:
        file.write(msgspec.json.encode(line) + b"\n")


def append_samples(folder: Path, samples: Iterable[Mapping[str, Any]]) -> None:
    """Add lines to `samples.jsonl`; raises OSError."""
    with (folder / SAMPLES_FILE).open("ab") as file:
        file.write(b"".join(msgspec.json.encode(sample) + b"\n" for sample in samples))


def write_partial(folder: Path, cells: Iterable[Mapping[str, Any]]) -> None:
    """Replace `partial.jsonl`, so that whoever reads it finds whole lines; raises OSError."""
    draft = folder / f".{PARTIAL_FILE}"
    draft.write_bytes(b"".join(msgspec.json.encode(cell) + b"\n" for cell in cells))
    draft.replace(folder / PARTIAL_FILE)


def _no_partial(folder: Path) -> None:
    (folder / PARTIAL_FILE).unlink(missing_ok=True)


def right(recorded: Histograms) -> int:
    """How many answers were right."""
    return sum(t.service.count for key, t in recorded.items() if key.outcome == OK)


def seconds(taken: Histograms) -> list[dict[str, Any]]:
    """Return `operations` of a line of `series.jsonl`."""
    return [
        named(key, times)
        | {
            "service_us": times.service.quantiles(*_SHOWN),
            "response_us": times.response.quantiles(*_SHOWN) if times.response else None,
        }
        for key, times in sorted(taken.items())
    ]


def operations(recorded: Histograms) -> list[dict[str, Any]]:
    """Return `operations` of a cell. It takes up to a millisecond each, so others get a turn."""
    found = []
    for key, times in sorted(recorded.items()):
        response = times.response.as_dict() if times.response else None
        found.append(
            named(key, times) | {"service_us": times.service.as_dict(), "response_us": response}
        )
        gevent.sleep(0)
    return found


def named(key: Key, times: Latencies) -> dict[str, Any]:
    """What an entry of `operations` begins with."""
    return {
        "operation": key.operation,
        "pool": key.pool,
        "outcome": key.outcome,
        "count": times.service.count,
    }


def counts(recorded: Histograms, sent: ScheduleStats | None) -> dict[str, int | None]:
    """Return the counts of a cell; those of a schedule are None where there was none."""
    stale = sum(t.service.count for key, t in recorded.items() if key.outcome == STALE)
    return {
        "intended": None if sent is None else sent.scheduled,
        "late": None if sent is None else sent.late,
        "skipped": None if sent is None else sent.skipped,
        "stale": stale,
    }


def schedule(sent: ScheduleStats | None) -> dict[str, float | None]:
    """Return what a cell's `health` says of how late it sent."""
    lag = sent.lag if sent is not None else Histogram()
    return {"schedule_lag_p99_ms": lag.quantile(0.99) / 1000 if lag else None}
