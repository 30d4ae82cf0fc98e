"""The last minutes of a test as they are watched: second by second, for each pool and store.

At least ten samples beyond a quantile decide it, as everywhere. So a point of a line is not of its
one second, but of the shortest span up to `SPAN` seconds that ends with it and has the samples: at
200 requests a second p50 is of the last second, p99 of the last five, and p99.9 is unknown.

Looking on must not delay what is looked at, as the same process may be sending: buckets are up to
0.8 % wide here, so that there are few of them, and others get their turn every now and then.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import gevent

from windtunnel.client.api import SLEEP, Operation
from windtunnel.client.response import OK
from windtunnel.recording.histogram import Histogram, bucket_masks, samples_needed
from windtunnel.recording.recorder import NO_POOL, Latencies
from windtunnel.runner.collector import Report

KEPT: Final = 600
"""Seconds that are kept."""

SPAN: Final = 10
"""Seconds of a window."""

BEHIND: Final = 7
"""Seconds that a process may be behind with its reports before it is not waited for any more."""

QUANTILES: Final = {"p50": 0.5, "p99": 0.99, "p999": 0.999}

Quantiles = dict[str, float | None]
"""p50, p99 and p999 in milliseconds."""


class WindowCounts:
    """What a pool or a store got in a second; `service` and `response` are of right answers.

    `packed` makes it small, as nobody looks at it again but for a comparison.
    """

    __slots__ = ("_packed", "failed", "right", "times", "under_way")

    def __init__(self) -> None:
        self.times = Latencies.empty()
        self.right = 0
        self.failed = 0
        self.under_way = 0
        self._packed: tuple[array[int], array[int]] | None = None

    def count(self, outcome: str, times: Latencies) -> None:
        """Count what has this outcome."""
        number = times.service.count
        if outcome != OK:
            self.failed += number
            return
        self.right += number
        self.times.merge(times)

    def pack(self) -> None:
        """Keep it in an eighth of its memory; what is counted later is lost."""
        if self._packed is None:
            self._packed = _packed(self.times.service), _packed(self.times.response)
            self.times = Latencies.empty()

    def whole(self) -> Latencies:
        """Return its histograms, packed or not."""
        if self._packed is None:
            return self.times
        return Latencies(*map(_unpacked, self._packed))


def _packed(histogram: Histogram) -> array[int]:
    return array("I", (number for pair in histogram.counts.items() for number in pair))


def _unpacked(pairs: array[int]) -> Histogram:
    return Histogram(dict(zip(pairs[::2], pairs[1::2], strict=True)))


@dataclass(slots=True)
class Point:
    """What is drawn of a second: right answers and failures in it, in flight as it ended.

    Of a window: right answers a second, failures in all, in flight at the mean.
    """

    rate: float
    failures: int
    in_flight: float
    service: Quantiles
    response: Quantiles | None


@dataclass(slots=True)
class WindowSecond:
    """One second of all."""

    pools: dict[str, WindowCounts] = field(default_factory=dict)
    stores: dict[str, WindowCounts] = field(default_factory=dict)
    kinds: dict[str, WindowCounts] = field(default_factory=dict)
    routed: dict[str, WindowCounts] = field(default_factory=dict)
    points: dict[str, dict[str, Point]] = field(default_factory=dict)
    """By one of `KINDS` and name; there once the second is whole."""

    def of(self, kind: str) -> dict[str, WindowCounts]:
        """Its pools, its stores, its kinds of request, or each kind in each pool."""
        found: dict[str, WindowCounts] = getattr(self, kind)
        return found


KINDS: Final = ("pools", "stores", "kinds", "routed")

SLOW: Final = {SLEEP: "slow work", Operation.SUMMARY: "slow work"}
"""What operations are as requests; all others are of records. A route may move a kind to another
pool, whose figures then change because other requests are in them; those of a kind stay comparable.
"""


COARSE_MASKS: Final = bucket_masks(8)
"""8 bits make buckets of up to 0.8 %."""


def coarse(histogram: Histogram) -> Histogram:
    """Return a histogram of wider buckets."""
    counts: dict[int, int] = {}
    for value, number in histogram.counts.items():
        end = value | COARSE_MASKS[value.bit_length()]
        counts[end] = counts.get(end, 0) + number
    return Histogram(counts)


class RollingWindow:
    """Takes reports of the processes of a test, and closes each second when all have told it.

    One report after the other: `take` lets others work meanwhile.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.whole = 0
        """The last second that is closed: what comes for it later is counted in the next."""
        self._seconds: dict[int, WindowSecond] = {}
        self._until: dict[str, int] = {}
        self._windows: dict[str, dict[str, Point]] = {}
        self._windows_of = 0

    def begin(self, members: Iterable[str]) -> None:
        """Wait for the first report of each of these, and for nobody of an earlier test."""
        self._until = dict.fromkeys(members, int(self._clock()) - 1)

    def take(self, report: Report, member: str) -> None:
        """Add what the process `member` recorded, and close what is whole by that."""
        for at, entries in report.seconds.items():
            second = self._second(at)
            for key, times in entries:
                wide = Latencies(coarse(times.service), coarse(times.response))
                _seen(second.pools, key.pool).count(key.outcome, wide)
                kind = SLOW.get(key.operation, "records")
                _seen(second.kinds, kind).count(key.outcome, wide)
                if key.pool != NO_POOL:
                    _seen(second.routed, f"{kind} in {key.pool}").count(key.outcome, wide)
                if key.operation != SLEEP:  # it has nothing to do with the store it comes beside
                    _seen(second.stores, key.store).count(key.outcome, wide)
                gevent.sleep(0)
        for at, waiting in report.under_way.items():
            second = self._second(at)
            for store, pool, number in waiting:
                if pool != NO_POOL:
                    _seen(second.pools, pool).under_way += number
                _seen(second.stores, store).under_way += number
        self._until[member] = report.until
        self._close(self._complete(int(self._clock())))

    def seconds(self, since: int = 0) -> list[int]:
        """The closed seconds after `since`."""
        return sorted(at for at in self._seconds if since < at <= self.whole)

    def line(self, kind: str, name: str, seconds: Iterable[int]) -> list[Point | None]:
        """What is drawn of a pool or store in these seconds."""
        return [self._seconds[at].points.get(kind, {}).get(name) for at in seconds]

    def names(self, kind: str, seconds: Iterable[int]) -> list[str]:
        """The pools or stores that had something to do in these seconds."""
        found = {name for at in seconds for name in self._seconds[at].of(kind)}
        return sorted(found)

    def window(self, kind: str) -> dict[str, Point]:
        """Return what the pools or stores got in the last `SPAN` seconds."""
        if self._windows_of != self.whole:
            self._windows, self._windows_of = {}, self.whole
        if kind not in self._windows:
            last = self.seconds(self.whole - SPAN)
            self._windows[kind] = {n: self._over(kind, n, last) for n in self.names(kind, last)}
        return self._windows[kind]

    def right(self, since: int, until: int) -> int:
        """How many right answers there were after `since`, up to `until`."""
        return sum(
            seen.right
            for at, second in self._seconds.items()
            if since < at <= until
            for seen in second.pools.values()
        )

    def between(
        self, begin: float, end: float, name: str, kind: str = "pools"
    ) -> dict[int, Latencies]:
        """Return what a pool (or other) got in each whole second from `begin` to before `end`."""
        return {
            at: second.of(kind)[name].whole()
            for at, second in sorted(self._seconds.items())
            if begin <= at and at + 1 <= end and at <= self.whole and name in second.of(kind)
        }

    def _second(self, at: int) -> WindowSecond:
        return self._seconds.setdefault(max(at, self.whole + 1), WindowSecond())

    def _complete(self, now: int) -> int:
        """The last second that every process has told; one that fell silent is let go."""
        self._until = {name: at for name, at in self._until.items() if at >= now - BEHIND}
        return min(self._until.values(), default=now - BEHIND)

    def _close(self, until: int) -> None:
        for at in sorted(at for at in self._seconds if self.whole < at <= until):
            second = self._seconds[at]
            for kind in KINDS:
                points = second.points[kind] = {}
                for name in list(second.of(kind)):
                    points[name] = self._point(kind, name, at)
                    gevent.sleep(0)
            self.whole = at
            if (old := self._seconds.get(at - 2 * SPAN)) is not None:
                for seen in (seen for kind in KINDS for seen in old.of(kind).values()):
                    seen.pack()
        self.whole = max(self.whole, until)
        for at in [at for at in self._seconds if at <= self.whole - KEPT]:
            del self._seconds[at]

    def _point(self, kind: str, name: str, at: int) -> Point:
        seen = self._seconds[at].of(kind)[name]
        response = nearest(times.response for times in self._back(kind, name, at))
        return Point(
            seen.right,
            seen.failed,
            seen.under_way,
            nearest(times.service for times in self._back(kind, name, at)),
            response if seen.times.response else None,
        )

    def _back(self, kind: str, name: str, at: int) -> Iterator[Latencies]:
        for earlier in range(at, at - SPAN, -1):
            second = self._seconds.get(earlier)
            if second is not None and name in second.of(kind):
                yield second.of(kind)[name].times

    def _over(self, kind: str, name: str, last: list[int]) -> Point:
        seen = [s for at in last if (s := self._seconds[at].of(kind).get(name)) is not None]
        total = Latencies.empty()
        for each in seen:
            total.merge(each.whole())
        return Point(
            round(sum(each.right for each in seen) / SPAN, 1),
            sum(each.failed for each in seen),
            round(sum(each.under_way for each in seen) / SPAN, 1),
            known(total.service),
            known(total.response) if total.response else None,
        )


def nearest(histograms: Iterable[Histogram]) -> Quantiles:
    """Return each quantile of the least that has the samples for it, the latest second first."""
    total = Histogram()
    quantiles: Quantiles = dict.fromkeys(QUANTILES)
    missing, count = list(QUANTILES), 0
    for histogram in histograms:
        total.merge(histogram)
        count += histogram.count
        for name in [name for name in missing if count >= samples_needed(QUANTILES[name])]:
            quantiles[name] = total.quantile(QUANTILES[name]) / 1000
            missing.remove(name)
        if not missing:
            break
    return quantiles


def known(histogram: Histogram) -> Quantiles:
    """Return the quantiles that a histogram has the samples for, in milliseconds."""
    return {
        name: histogram.quantile(q) / 1000 if histogram.enough(q) else None
        for name, q in QUANTILES.items()
    }


def _seen(found: dict[str, WindowCounts], name: str) -> WindowCounts:
    return found.setdefault(name, WindowCounts())
