"""The counts of each second of a test: successes, failures and latencies, in four groupings."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from windtunnel.client.api import SLEEP, Operation
from windtunnel.client.response import OK
from windtunnel.recording.histogram import Histogram, bucket_masks, samples_needed
from windtunnel.recording.recorder import NO_POOL, Key, Latencies

QUANTILES: Final = {"p50": 0.5, "p99": 0.99, "p999": 0.999}

Quantiles = dict[str, float | None]
"""p50, p99 and p999 in milliseconds."""


class WindowCounts:
    """The requests of a pool, store or kind in one second; `latencies` are those of successes.

    `pack` makes it small, as only a comparison reads it again.
    """

    __slots__ = ("_packed", "failures", "in_flight", "latencies", "successes")

    def __init__(self) -> None:
        self.latencies = Latencies.empty()
        self.successes = 0
        self.failures = 0
        self.in_flight = 0
        self._packed: tuple[array[int], array[int]] | None = None

    def add(self, outcome: str, latencies: Latencies) -> None:
        """Add requests that had this outcome."""
        number = latencies.service.count
        if outcome != OK:
            self.failures += number
            return
        self.successes += number
        self.latencies.merge(latencies)

    def pack(self) -> None:
        """Shrink to an eighth of the memory; latencies added later are lost."""
        if self._packed is None:
            self._packed = _pack(self.latencies.service), _pack(self.latencies.response)
            self.latencies = Latencies.empty()

    def unpacked(self) -> Latencies:
        """Return the histograms of successes, packed or not."""
        if self._packed is None:
            return self.latencies
        return Latencies(*map(_unpack, self._packed))


def _pack(histogram: Histogram) -> array[int]:
    return array("I", (number for pair in histogram.counts.items() for number in pair))


def _unpack(pairs: array[int]) -> Histogram:
    return Histogram(dict(zip(pairs[::2], pairs[1::2], strict=True)))


@dataclass(slots=True)
class Point:
    """A point of a line: successes and failures of a second, requests in flight at its end.

    For a window: successes per second, all failures, mean of requests in flight.
    """

    rate: float
    failures: int
    in_flight: float
    service: Quantiles
    response: Quantiles | None


@dataclass(slots=True)
class WindowSecond:
    """The counts of one second, in four groupings."""

    pools: dict[str, WindowCounts] = field(default_factory=dict)
    stores: dict[str, WindowCounts] = field(default_factory=dict)
    kinds: dict[str, WindowCounts] = field(default_factory=dict)
    routed: dict[str, WindowCounts] = field(default_factory=dict)
    points: dict[str, dict[str, Point]] = field(default_factory=dict)
    """By grouping (one of `GROUPINGS`) and name; filled when the second is closed."""

    def add(self, key: Key, latencies: Latencies) -> None:
        """Add requests that were recorded under a key."""
        kind = SLOW_KINDS.get(key.operation, "records")
        names = {"pools": key.pool, "kinds": kind}
        if key.pool != NO_POOL:
            names["routed"] = f"{kind} in {key.pool}"
        if key.operation != SLEEP:  # a sleep does not touch the store
            names["stores"] = key.store
        for grouping, name in names.items():
            self.counts(grouping, name).add(key.outcome, latencies)

    def add_in_flight(self, store: str, pool: str, count: int) -> None:
        """Add requests that were in flight at the end of the second."""
        if pool != NO_POOL:
            self.counts("pools", pool).in_flight += count
        self.counts("stores", store).in_flight += count

    def pack(self) -> None:
        """Shrink all its counts."""
        for grouping in GROUPINGS:
            for counts in self.group(grouping).values():
                counts.pack()

    def counts(self, grouping: str, name: str) -> WindowCounts:
        """Return the counts of a name, new ones if there are none yet."""
        return self.group(grouping).setdefault(name, WindowCounts())

    def group(self, grouping: str) -> dict[str, WindowCounts]:
        """Return its counts by pool, by store, by kind of request, or by kind and pool."""
        counts: dict[str, WindowCounts] = getattr(self, grouping)
        return counts


GROUPINGS: Final = ("pools", "stores", "kinds", "routed")

SLOW_KINDS: Final = {SLEEP: "slow work", Operation.SUMMARY: "slow work"}
"""The kind of request of an operation; all others are "records". A route may move a kind to another
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


def latest_quantiles(histograms: Iterable[Histogram]) -> Quantiles:
    """Return quantiles, each over as few histograms as have the samples for it, latest first."""
    total = Histogram()
    values: Quantiles = dict.fromkeys(QUANTILES)
    missing, count = list(QUANTILES), 0
    for histogram in histograms:
        total.merge(histogram)
        count += histogram.count
        for name in [name for name in missing if count >= samples_needed(QUANTILES[name])]:
            values[name] = total.quantile(QUANTILES[name]) / 1000
            missing.remove(name)
        if not missing:
            break
    return values


def quantiles(histogram: Histogram) -> Quantiles:
    """Return the quantiles that a histogram has the samples for, in milliseconds."""
    return {
        name: histogram.quantile(q) / 1000 if histogram.enough(q) else None
        for name, q in QUANTILES.items()
    }
