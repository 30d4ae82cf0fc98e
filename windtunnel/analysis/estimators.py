"""What can be measured from a multiset of rounds, so that rounds can be resampled as wholes.

An estimator knows its rounds and gives its value when round i is counted `weights[i]` times.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import mul
from typing import Protocol, Self

from windtunnel.recording.histogram import Histogram, nearest_rank


class Estimator(Protocol):
    """A figure as a function of how often each of its rounds is counted."""

    @property
    def rounds(self) -> tuple[int, ...]:
        """The rounds it was measured in, ascending."""

    def value(self, weights: Sequence[int]) -> float:
        """The figure with round `rounds[i]` counted `weights[i]` times."""

    def only(self, rounds: Sequence[int]) -> Self:
        """The same figure from some of its rounds."""


@dataclass(frozen=True)
class Quantile:
    """A quantile of the service times of the rounds together, in us."""

    q: float
    by_round: Mapping[int, Histogram]

    @cached_property
    def rounds(self) -> tuple[int, ...]:
        """The rounds it was measured in, ascending."""
        return tuple(sorted(self.by_round))

    def only(self, rounds: Sequence[int]) -> "Quantile":
        """The same quantile from some of its rounds."""
        if tuple(rounds) == self.rounds:
            return self
        return Quantile(self.q, {number: self.by_round[number] for number in rounds})

    def value(self, weights: Sequence[int]) -> float:
        """Nearest rank; it lies between the least and the greatest of the rounds' own quantiles."""
        values, below = self._window
        rank = nearest_rank(sum(map(mul, weights, self._totals)), self.q)
        return values[bisect_left(below, rank, key=lambda column: sum(map(mul, weights, column)))]

    @cached_property
    def _totals(self) -> list[int]:
        return [self.by_round[number].count for number in self.rounds]

    @cached_property
    def _window(self) -> tuple[list[int], list[tuple[int, ...]]]:
        histograms = [self.by_round[number] for number in self.rounds]
        own = [histogram.quantile(self.q) for histogram in histograms]
        low, high = min(own), max(own)
        values = sorted({value for h in histograms for value in h.between(low, high)})
        return values, list(zip(*(h.up_to(values) for h in histograms), strict=True))


@dataclass(frozen=True)
class Ratio:
    """A sum over the rounds divided by another: CPU per request, requests per second."""

    by_round: Mapping[int, tuple[float, float]]

    @cached_property
    def rounds(self) -> tuple[int, ...]:
        """The rounds it was measured in, ascending."""
        return tuple(sorted(self.by_round))

    def only(self, rounds: Sequence[int]) -> "Ratio":
        """The same ratio from some of its rounds."""
        if tuple(rounds) == self.rounds:
            return self
        return Ratio({number: self.by_round[number] for number in rounds})

    def value(self, weights: Sequence[int]) -> float:
        """The ratio of the weighted sums."""
        upper, lower = self._columns
        return float(sum(map(mul, weights, upper)) / sum(map(mul, weights, lower)))

    @cached_property
    def _columns(self) -> tuple[list[float], list[float]]:
        pairs = [self.by_round[number] for number in self.rounds]
        return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


@dataclass(frozen=True)
class GeometricMean:
    """The geometric mean of several figures, over the rounds that all of them have.

    Comparing it between stores does not depend on what each part is normalised to (Fleming and
    Wallace, "How not to lie with statistics", CACM 29(3), 1986).
    """

    parts: tuple[Estimator, ...]

    @cached_property
    def rounds(self) -> tuple[int, ...]:
        """The rounds that every part has, ascending."""
        return tuple(sorted(set.intersection(*(set(part.rounds) for part in self.parts))))

    def only(self, rounds: Sequence[int]) -> "GeometricMean":
        """The same mean from some of its rounds."""
        if tuple(rounds) == self.rounds:
            return self
        return GeometricMean(tuple(part.only(rounds) for part in self.parts))

    def value(self, weights: Sequence[int]) -> float:
        """The mean of the parts' values, each with the same weights."""
        logs = [math.log(part.value(weights)) for part in self._aligned]
        return math.exp(math.fsum(logs) / len(logs))

    @cached_property
    def _aligned(self) -> tuple[Estimator, ...]:
        return tuple(part.only(self.rounds) for part in self.parts)
