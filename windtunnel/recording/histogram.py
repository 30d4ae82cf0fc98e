"""A latency histogram as the report needs it: sparse, immutable, merged exactly."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from itertools import accumulate, compress
from math import ceil
from typing import Any, Final, NamedTuple

from hdrh.histogram import HdrHistogram


class Histogram:
    """Service times in microseconds by bucket, ascending; 3 significant digits as recorded."""

    def __init__(self, counts: Iterable[tuple[int, int]]) -> None:
        buckets = sorted(counts)
        self.values = [value for value, count in buckets if count]
        self.counts = [count for _, count in buckets if count]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return (self.values, self.counts) == (other.values, other.counts)

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def cumulative(self) -> list[int]:
        """Samples up to and including each bucket."""
        return list(accumulate(self.counts))

    @property
    def total(self) -> int:
        """Samples in all."""
        return self.cumulative[-1] if self.counts else 0

    @property
    def mean(self) -> float:
        """Mean in us, counted at the buckets' upper ends: at most 0.1 % high."""
        return sum(map(int.__mul__, self.values, self.counts)) / self.total

    def up_to(self, value: int) -> int:
        """How many samples are at most `value` us."""
        index = bisect_right(self.values, value)
        return self.cumulative[index - 1] if index else 0

    def between(self, low: int, high: int) -> list[int]:
        """The buckets that hold samples, from `low` up to `high` us."""
        return self.values[bisect_left(self.values, low) : bisect_right(self.values, high)]

    def quantile(self, per_mille: int) -> int:
        """Nearest-rank quantile in us (500 is the median). Raises IndexError when empty."""
        return self.at_rank(-(-self.total * per_mille // 1000))

    def at_rank(self, rank: int) -> int:
        """The value in us of the `rank`-th smallest sample, counted from 1."""
        return self.values[bisect_left(self.cumulative, rank)]


def merge(histograms: Iterable[Histogram]) -> Histogram:
    """The histogram of all samples together; equal to one recorded from their concatenation."""
    some = list(histograms)
    if len(some) == 1:
        return some[0]
    total: dict[int, int] = defaultdict(int)
    for histogram in some:
        for value, count in zip(histogram.values, histogram.counts, strict=True):
            total[value] += count
    return Histogram(total.items())


def decode(text: str) -> Histogram:
    """Read the base64 HdrHistogram V2 encoding. Raises ValueError on anything else."""
    try:
        packed = HdrHistogram.decode(text)
        length = packed.get_counts_array_index(packed.get_max_value()) + 1
        counts = packed.counts[:length]
        ruler = _upper_ends(packed.lowest_trackable_value, packed.significant_figures)
        ends = ruler.up_to(length)
    except Exception as error:  # the library raises half a dozen unrelated types
        raise ValueError(f"not an HdrHistogram: {error!r}") from error
    return Histogram(zip(compress(ends, counts), filter(None, counts), strict=True))


class _UpperEnds:
    """The upper end of each bucket in turn, worked out once."""

    def __init__(self, lowest: int, digits: int) -> None:
        self._ruler = HdrHistogram(lowest, 3_600_000_000, digits)
        self._known: list[int] = []

    def up_to(self, length: int) -> list[int]:
        """Those of the first buckets, at least `length` of them."""
        ruler = self._ruler
        for index in range(len(self._known), length):
            value = ruler.get_value_from_index(index)
            self._known.append(int(ruler.get_highest_equivalent_value(value)))
        return self._known


_upper_ends = lru_cache(_UpperEnds)


# Counts latencies in HdrHistogram buckets, by store, operation, pool and outcome.


LOWEST_US: Final = 1
HIGHEST_US: Final = 60_000_000
DIGITS: Final = 3
QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}

_SUB_BUCKETS_LOG2: Final = 11
"""2,048 sub-buckets are what 3 significant digits take."""


NO_POOL: Final = "none"
"""The pool of a request that no process answered."""


class Key(NamedTuple):
    """What a histogram is of. `outcome` is "ok" or a failure's name."""

    store: str
    operation: str
    pool: str
    outcome: str


Counts = dict[int, int]
"""How many samples fell into each bucket, by the bucket's number in an HdrHistogram."""


class Times(NamedTuple):
    """The latencies of the same requests; `response` stays empty under closed load."""

    service: Counts
    response: Counts


Recorded = dict[Key, Times]


def _times() -> Times:
    return Times({}, {})


class Recorder:
    """Samples since it was made, or since `take`."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: defaultdict[tuple[str, str, str, str], Times] = defaultdict(_times)

    def record(
        self,
        store: str,
        operation: str,
        pool: str,
        outcome: str,
        service_us: float,
        response_us: float | None = None,
    ) -> None:
        """Count a sample, in microseconds; beyond 60 s it counts as 60 s."""
        service, response = self._times[store, operation, pool, outcome]
        value = int(service_us) if service_us < HIGHEST_US else HIGHEST_US
        shift = value.bit_length() - _SUB_BUCKETS_LOG2
        bucket = value if shift <= 0 else (shift << 10) + (value >> shift)
        service[bucket] = service.get(bucket, 0) + 1
        if response_us is not None:
            bucket = bucket_of(response_us)
            response[bucket] = response.get(bucket, 0) + 1

    def take(self) -> Recorded:
        """Return what was counted, and begin anew."""
        taken, self._times = self._times, defaultdict(_times)
        return {Key(*key): times for key, times in taken.items()}


def bucket_of(us: float) -> int:
    """The number of the bucket that a time in microseconds falls into."""
    value = int(us) if us < HIGHEST_US else HIGHEST_US
    shift = value.bit_length() - _SUB_BUCKETS_LOG2
    return value if shift <= 0 else (shift << 10) + (value >> shift)


def count(counts: Counts, us: float) -> None:
    """Count one sample of `us` microseconds."""
    bucket = bucket_of(us)
    counts[bucket] = counts.get(bucket, 0) + 1


def add(total: Counts, counts: Mapping[int, int]) -> None:
    """Merge `counts` into `total`, exactly."""
    for bucket, number in counts.items():
        total[bucket] = total.get(bucket, 0) + number


def merge_recorded(total: Recorded, recorded: Mapping[Key, Times]) -> None:
    """Merge what was recorded into `total`, exactly; `recorded` is left as it is."""
    for key, times in recorded.items():
        into = total.setdefault(key, _times())
        add(into.service, times.service)
        add(into.response, times.response)


def encode(counts: Mapping[int, int]) -> str:
    """Return the counts as an HdrHistogram of microseconds: V2, compressed, base64."""
    histogram = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)
    for bucket, number in counts.items():
        histogram.counts[bucket] = number
    if counts:
        histogram.set_internal_tacking_values(min(counts), max(counts), sum(counts.values()))
    return str(histogram.encode().decode())


def upper_end(bucket: int) -> int:
    """The largest whole number of microseconds that falls into a bucket."""
    shift = max((bucket >> (_SUB_BUCKETS_LOG2 - 1)) - 1, 0)
    return ((bucket - (shift << (_SUB_BUCKETS_LOG2 - 1)) + 1) << shift) - 1


def quantile(counts: Mapping[int, int], q: float) -> int:
    """Return one quantile, by nearest rank, in microseconds; raises IndexError if empty."""
    buckets = sorted(counts)
    ranks = list(accumulate(counts[bucket] for bucket in buckets))
    return _at(buckets, ranks, ceil(ranks[-1] * q))


def quantiles(counts: Mapping[int, int], *names: str) -> dict[str, Any]:
    """Return the named ones of QUANTILES (all, if none is) and the maximum, in microseconds.

    Nearest rank. A quantile q of fewer than 10/(1-q) samples is None, as its place would be
    decided by less than ten of them.
    """
    buckets = sorted(counts)
    ranks = list(accumulate(counts[bucket] for bucket in buckets))
    total = ranks[-1] if ranks else 0
    times: dict[str, Any] = {
        name: _at(buckets, ranks, ceil(total * q)) if total * (1 - q) >= 10 - 1e-6 else None
        for name in names or QUANTILES
        if (q := QUANTILES[name])
    }
    return times | {"max": upper_end(buckets[-1]) if buckets else None}


def summarise(counts: Mapping[int, int]) -> dict[str, Any]:
    """Return all quantiles and the maximum in microseconds, and the histogram, encoded."""
    return quantiles(counts) | {"histogram": encode(counts)}


def _at(buckets: list[int], ranks: list[int], rank: int) -> int:
    return upper_end(buckets[bisect_left(ranks, rank)])
