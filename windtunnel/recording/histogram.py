"""Latency histograms: recorded, merged exactly, read and written as HdrHistogram V2.

The buckets are those of an HdrHistogram from 1 us to 60 s with 3 significant digits. A bucket goes
by the greatest whole number of microseconds that falls into it, so a quantile is at most 0.1 %
high.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import accumulate, compress
from math import ceil
from typing import Any, Final

import msgspec
from hdrh.histogram import HdrHistogram

from windtunnel.recording.limits import SAMPLES_BEYOND

LOWEST_US: Final = 1
HIGHEST_US: Final = 60_000_000
DIGITS: Final = 3
QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}

MILLION: Final = 1_000_000
"""Shares are taken to the millionth, so that ranks are exact."""

SUB_BUCKET_BITS: Final = 11
"""2,048 sub-buckets are what 3 significant digits take."""


def bucket_masks(bits: int) -> tuple[int, ...]:
    """Return, by the bit length of a value, what is set in it to get the end of its bucket.

    A value keeps its first `bits` bits.
    """
    return tuple((1 << max(0, length - bits)) - 1 for length in range(HIGHEST_US.bit_length() + 1))


MASKS: Final = bucket_masks(SUB_BUCKET_BITS)


class Histogram(msgspec.Struct, array_like=True, dict=True):
    """How many samples fell into each bucket, by the bucket's end in microseconds.

    Quantiles are by nearest rank: the least bucket with a share `q` of all samples at or below it.
    """

    counts: dict[int, int] = {}

    def record(self, us: float) -> None:
        """Count a sample, in microseconds; beyond 60 s it counts as 60 s."""
        value = int(us) if us < HIGHEST_US else HIGHEST_US
        value |= MASKS[value.bit_length()]
        counts = self.counts
        counts[value] = counts.get(value, 0) + 1

    def merge(self, other: Histogram) -> None:
        """Add the samples of another, exactly; `other` is left as it is."""
        counts = self.counts
        if not counts:
            counts.update(other.counts)
            return
        for value, number in other.counts.items():
            counts[value] = counts.get(value, 0) + number

    def __bool__(self) -> bool:
        return bool(self.counts)

    @property
    def count(self) -> int:
        """How many samples there are."""
        return sum(self.counts.values())

    @property
    def mean(self) -> float:
        """Mean in us, counted at the buckets' ends: at most 0.1 % high."""
        return sum(value * number for value, number in self.counts.items()) / self.count

    @property
    def max(self) -> int | None:
        """The greatest sample in us, None where there is none."""
        return max(self.counts, default=None)

    def enough(self, q: float) -> bool:
        """Whether ten samples or more lie beyond the quantile `q`, so that it may be shown."""
        return self.count >= samples_needed(q)

    def quantile(self, q: float) -> int:
        """Return the quantile `q` (0.5 is the median) in us; raises IndexError when empty."""
        values, ranks = self._ascending()
        return values[bisect_left(ranks, nearest_rank(ranks[-1], q))]

    def quantile_ms(self, q: float) -> float | None:
        """Return the quantile `q` in ms, however few samples there are; None when empty."""
        return self.quantile(q) / 1000 if self else None

    def quantiles(self, *names: str) -> dict[str, int | None]:
        """Return the named ones of QUANTILES (all, if none is) and the maximum, in us.

        One that has too few samples beyond it is None.
        """
        values, ranks = self._ascending()
        total = ranks[-1] if ranks else 0
        quantiles: dict[str, int | None] = {
            name: values[bisect_left(ranks, nearest_rank(total, q))]
            if total >= samples_needed(q)
            else None
            for name in names or QUANTILES
            if (q := QUANTILES[name])
        }
        return quantiles | {"max": values[-1] if values else None}

    def as_dict(self) -> dict[str, Any]:
        """Return all quantiles and the maximum in us, and the histogram, encoded."""
        return self.quantiles() | {"histogram": self.encode()}

    def at_ranks(self, ranks: Iterable[int]) -> Iterator[int]:
        """Yield the sample of each rank in us, counted from 1, the least."""
        values, cumulative = self._ascending()
        return (values[bisect_left(cumulative, rank)] for rank in ranks)

    def up_to(self, limits: Iterable[int]) -> Iterator[int]:
        """Yield for each limit in us how many samples are at most as great."""
        values, cumulative = self._ascending()
        ranks = [*cumulative, 0]
        return (ranks[bisect_right(values, limit) - 1] for limit in limits)

    def between(self, low: int, high: int) -> list[int]:
        """Return the ends of the buckets that hold samples, from `low` up to `high` us."""
        values, _ = self._ascending()
        return list(values[bisect_left(values, low) : bisect_right(values, high)])

    def encode(self) -> str:
        """Return an HdrHistogram of microseconds: V2, compressed, base64."""
        packed = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)
        for value, number in self.counts.items():
            packed.counts[_index(value)] += number
        if self.counts:
            ends = _index(min(self.counts)), _index(max(self.counts))
            packed.set_internal_tacking_values(*ends, self.count)
        return str(packed.encode().decode())

    def _ascending(self) -> tuple[Sequence[int], Sequence[int]]:
        """The buckets' ends, and how many samples there are up to each.

        They are kept until samples are added: none is ever taken away, so the count says so.
        """
        values, cumulative = self.__dict__.get("order", ((), ()))
        if (cumulative[-1] if cumulative else 0) != self.count:
            values = sorted(self.counts)
            cumulative = list(accumulate(map(self.counts.__getitem__, values)))
            self.__dict__["order"] = values, cumulative
        return values, cumulative


def merge(histograms: Iterable[Histogram]) -> Histogram:
    """Return the histogram of all samples together, equal to one that recorded them all."""
    total = Histogram()
    for histogram in histograms:
        total.merge(histogram)
    return total


def decode(text: str) -> Histogram:
    """Read the base64 HdrHistogram V2 encoding. Raises ValueError on anything else."""
    try:
        packed = HdrHistogram.decode(text)
        length = packed.get_counts_array_index(packed.get_max_value()) + 1
        counts = packed.counts[:length]
        ends = _ends(packed.lowest_trackable_value, packed.significant_figures, length)
    except Exception as error:  # the library raises half a dozen unrelated types
        raise ValueError(f"not an HdrHistogram: {error!r}") from error
    return Histogram(dict(zip(compress(ends, counts), filter(None, counts), strict=True)))


def nearest_rank(count: int, q: float) -> int:
    """Return the rank, from 1, of the least sample that a share `q` of `count` is at or below."""
    return max(1, -(-count * round(q * MILLION) // MILLION))


def samples_needed(q: float) -> int:
    """Return from how many samples on a quantile is shown: ten lie beyond it."""
    return ceil(round(SAMPLES_BEYOND / (1 - q), 6))


def _index(value: int) -> int:
    """The number of a value's bucket in an HdrHistogram."""
    shift = max(0, value.bit_length() - SUB_BUCKET_BITS)
    return (shift << (SUB_BUCKET_BITS - 1)) + (value >> shift)


@cache
def _ruler(lowest: int, digits: int) -> tuple[HdrHistogram, list[int]]:
    return HdrHistogram(lowest, 3_600_000_000, digits), []


def _ends(lowest: int, digits: int, length: int) -> list[int]:
    """The ends of the first buckets, at least `length` of them, worked out once."""
    ruler, ends = _ruler(lowest, digits)
    for index in range(len(ends), length):
        value = ruler.get_value_from_index(index)
        ends.append(int(ruler.get_highest_equivalent_value(value)))
    return ends
