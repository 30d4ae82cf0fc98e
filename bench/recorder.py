"""Counts service times in HdrHistogram buckets, by store, operation, pool and outcome.

A sample costs one addition in a dictionary; an HdrHistogram is made of it when it is asked for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from itertools import accumulate
from math import ceil
from typing import Any, Final, NamedTuple

from hdrh.histogram import HdrHistogram

LOWEST_US: Final = 1
HIGHEST_US: Final = 60_000_000
DIGITS: Final = 3
QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}

_SUB_BUCKETS_LOG2: Final = 11
"""2,048 sub-buckets are what 3 significant digits take."""


class Key(NamedTuple):
    """What a histogram is of. `outcome` is "ok" or a failure's name."""

    store: str
    operation: str
    pool: str
    outcome: str


Counts = dict[int, int]
"""How many samples fell into each bucket, by the bucket's number in an HdrHistogram."""


class Recorder:
    """Samples since it was made, or since `take`."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: defaultdict[tuple[str, str, str, str], Counts] = defaultdict(dict)

    def record(self, store: str, operation: str, pool: str, outcome: str, us: float) -> None:
        """Count a sample of `us` microseconds; beyond 60 s it counts as 60 s."""
        value = int(us) if us < HIGHEST_US else HIGHEST_US
        shift = value.bit_length() - _SUB_BUCKETS_LOG2
        bucket = value if shift <= 0 else (shift << 10) + (value >> shift)
        counts = self._counts[store, operation, pool, outcome]
        counts[bucket] = counts.get(bucket, 0) + 1

    def take(self) -> dict[Key, Counts]:
        """Return what was counted, and begin anew."""
        taken, self._counts = self._counts, defaultdict(dict)
        return {Key(*key): counts for key, counts in taken.items()}


def add(total: Counts, counts: Mapping[int, int]) -> None:
    """Merge `counts` into `total`, exactly."""
    for bucket, count in counts.items():
        total[bucket] = total.get(bucket, 0) + count


def encode(counts: Mapping[int, int]) -> str:
    """Return the counts as an HdrHistogram of microseconds: V2, compressed, base64."""
    histogram = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)
    for bucket, count in counts.items():
        histogram.counts[bucket] = count
    if counts:
        histogram.set_internal_tacking_values(min(counts), max(counts), sum(counts.values()))
    return str(histogram.encode().decode())


def upper_end(bucket: int) -> int:
    """The largest whole number of microseconds that falls into a bucket."""
    shift = max((bucket >> (_SUB_BUCKETS_LOG2 - 1)) - 1, 0)
    return ((bucket - (shift << (_SUB_BUCKETS_LOG2 - 1)) + 1) << shift) - 1


def summarise(counts: Mapping[int, int]) -> dict[str, Any]:
    """Return quantiles and maximum in microseconds, and the histogram, encoded.

    Nearest rank. A quantile q of fewer than 10/(1-q) samples is None, as its place would be
    decided by less than ten of them.
    """
    buckets = sorted(counts)
    ranks = list(accumulate(counts[bucket] for bucket in buckets))
    total = ranks[-1] if ranks else 0
    times: dict[str, Any] = {
        name: _at(buckets, ranks, ceil(total * q)) if total * (1 - q) >= 10 - 1e-6 else None
        for name, q in QUANTILES.items()
    }
    return times | {"max": upper_end(buckets[-1]) if buckets else None, "histogram": encode(counts)}


def _at(buckets: list[int], ranks: list[int], rank: int) -> int:
    return upper_end(buckets[bisect_left(ranks, rank)])
