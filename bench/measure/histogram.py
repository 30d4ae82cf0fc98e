"""A latency histogram as the report needs it: sparse, immutable, merged exactly."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property, lru_cache
from itertools import accumulate, compress

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
