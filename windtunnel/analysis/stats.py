"""Intervals and rankings from whole rounds; pure functions, the same answer every time.

Rounds are resampled as wholes and in pairs (two stores meet in the same rounds, which cancels a
drifting machine). With six rounds a percentile interval would cover too little, so the interval
is a t interval on the log scale with the bootstrap's standard error, widened by sqrt(n/(n-1))
(Hesterberg, "What Teachers Should Know About the Bootstrap", American Statistician 69(4), 2015).
"""

import math
import random
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeVar

from windtunnel.analysis.estimators import Estimator

MIN_ROUNDS = 6
LEVEL = 0.05
RESAMPLES = 400
SEED = 20_110_930
SMALLEST = 1e-9
RESOLUTION = 0.001  # a histogram keeps three digits: smaller differences are not measured

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class IntervalEstimate:
    """An estimate with its 95 % interval; None for both ends where rounds are too few."""

    estimate: float
    low: float | None
    high: float | None
    rounds: int


@dataclass(frozen=True, slots=True)
class Rank:
    """The rank of a store: its figure, its place (None: inconclusive), its ratio to the best."""

    figure: IntervalEstimate
    place: int | None
    ratio: float


class Bootstrap:
    """An estimator with its bootstrap, drawn once however many comparisons use it.

    Raises ValueError when the estimator has no rounds.
    """

    def __init__(self, estimator: Estimator) -> None:
        if not estimator.rounds:
            raise ValueError("nothing was measured")
        self.estimator = estimator
        self.rounds = estimator.rounds
        self._parts: dict[tuple[int, ...], Bootstrap] = {self.rounds: self}

    def only(self, rounds: Sequence[int]) -> "Bootstrap":
        """The same from some of its rounds, drawn once for each set of rounds."""
        chosen = tuple(rounds)
        if chosen not in self._parts:
            self._parts[chosen] = Bootstrap(self.estimator.only(chosen))
        return self._parts[chosen]

    @cached_property
    def estimate(self) -> float:
        """The figure over all of its rounds, each counted once."""
        return self.estimator.value([1] * len(self.rounds))

    @cached_property
    def logs(self) -> list[float]:
        """The logarithms of the figure over the resampled rounds."""
        value = self.estimator.value
        return [_log(value(weights)) for weights in _resamples(len(self.rounds))]

    @cached_property
    def interval_estimate(self) -> IntervalEstimate:
        """Estimate and 95 % interval; no interval below six rounds or at zero."""
        rounds = len(self.rounds)
        if rounds < MIN_ROUNDS or self.estimate <= 0:
            return IntervalEstimate(self.estimate, None, None, rounds)
        reach = math.exp(t_quantile(rounds - 1) * _standard_error(self.logs, rounds))
        return IntervalEstimate(self.estimate, self.estimate / reach, self.estimate * reach, rounds)


@dataclass(frozen=True, slots=True)
class LogRatio:
    """The logarithm of a ratio of two figures, its standard error, and degrees of freedom."""

    log_ratio: float
    error: float
    freedom: int

    @property
    def ratio(self) -> float:
        """The ratio itself."""
        return math.exp(self.log_ratio)

    @property
    def interval(self) -> tuple[float, float]:
        """The ratio's 95 % interval."""
        reach = t_quantile(self.freedom) * self.error
        return math.exp(self.log_ratio - reach), math.exp(self.log_ratio + reach)

    @property
    def p_value(self) -> float:
        """Two-sided, that the ratio is 1."""
        return t_two_sided(self.log_ratio / self.error, self.freedom)


def paired_log_ratio(
    first: Bootstrap, second: Bootstrap, least: int = MIN_ROUNDS
) -> LogRatio | None:
    """Of figures that met in the same rounds; None below `least` common rounds."""
    common = sorted(set(first.rounds) & set(second.rounds))
    if len(common) < least:
        return None
    first, second = first.only(common), second.only(common)
    logs = [a - b for a, b in zip(first.logs, second.logs, strict=True)]
    error = _standard_error(logs, len(common))
    return LogRatio(_log(first.estimate) - _log(second.estimate), error, len(common) - 1)


def unpaired_log_ratio(first: Bootstrap, second: Bootstrap) -> LogRatio | None:
    """Of figures from rounds that have nothing to do with each other; None below six of either."""
    rounds = len(first.rounds), len(second.rounds)
    if min(rounds) < MIN_ROUNDS:
        return None
    errors = [_standard_error(figure.logs, len(figure.rounds)) for figure in (first, second)]
    log_ratio = _log(first.estimate) - _log(second.estimate)
    return LogRatio(log_ratio, math.hypot(*errors), min(rounds) - 1)


def log_ratio_to(figure: Bootstrap, value: float, least: int = MIN_ROUNDS) -> LogRatio | None:
    """Of a figure and an exact value; None below `least` rounds."""
    if len(figure.rounds) < least:
        return None
    error = _standard_error(figure.logs, len(figure.rounds))
    return LogRatio(_log(figure.estimate) - _log(value), error, len(figure.rounds) - 1)


def p_value_equal(first: Bootstrap, second: Bootstrap) -> float:
    """Two-sided p-value that both figures are equal, over common rounds; NaN below six rounds."""
    log_ratio = paired_log_ratio(first, second)
    return math.nan if log_ratio is None else log_ratio.p_value


def rank(rivals: Mapping[Name, Bootstrap], *, higher_is_better: bool) -> dict[Name, Rank]:
    """Places with ties, best first.

    The best is compared with each of the others, p-values Holm-corrected; those that do not differ
    from it share its place. The best of the rest then starts the next place, and so on. A tie is
    therefore one with the leader of the place. Needs positive figures; too few rounds, no place.
    """
    sign = -1 if higher_is_better else 1
    order = sorted(rivals, key=lambda name: (sign * rivals[name].estimate, str(name)))
    places = _places([name for name in order if len(rivals[name].rounds) >= MIN_ROUNDS], rivals)
    best = rivals[order[0]].estimate if order else math.nan
    return {
        name: Rank(rivals[name].interval_estimate, places.get(name), rivals[name].estimate / best)
        for name in order
    }


def _places(order: list[Name], rivals: Mapping[Name, Bootstrap]) -> dict[Name, int]:
    places: dict[Name, int] = {}
    while order:
        leader, *others = order
        p_values = {name: p_value_equal(rivals[leader], rivals[name]) for name in others}
        comparable = [name for name in others if not math.isnan(p_values[name])]
        adjusted = holm([p_values[name] for name in comparable])
        corrected = dict(zip(comparable, adjusted, strict=True))
        ties = [leader, *(name for name in comparable if corrected[name] >= LEVEL)]
        places |= dict.fromkeys(ties, len(places) + 1)
        order = [name for name in comparable if corrected[name] < LEVEL]
    return places


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (Scandinavian Journal of Statistics 6, 1979), in given order."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for step, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, (len(p_values) - step) * p_values[index]))
        adjusted[index] = running
    return adjusted


def t_two_sided(t: float, freedom: int) -> float:
    """P(|T| > t) for Student's t with whole degrees of freedom (Abramowitz and Stegun 26.7.3-4)."""
    angle = math.atan(abs(t) / math.sqrt(freedom))
    cosine, odd = math.cos(angle), freedom % 2
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(3 if odd else 2, freedom - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    inside = math.sin(angle) * total
    return max(0.0, 1 - (2 / math.pi * (angle + inside) if odd else inside))


@lru_cache
def t_quantile(freedom: int) -> float:
    """The t beyond which 5 % lie on both sides together, to 1e-9."""
    low, high = 1.0, 100.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if t_two_sided(middle, freedom) > LEVEL else (low, middle)
    return low


@lru_cache
def _resamples(rounds: int) -> list[list[int]]:
    draw = random.Random(SEED + rounds)
    picks = (draw.choices(range(rounds), k=rounds) for _ in range(RESAMPLES))
    return [[pick.count(number) for number in range(rounds)] for pick in picks]


def _log(value: float) -> float:
    """Its logarithm; nothing at all is taken for next to nothing, which has one."""
    return math.log(max(value, SMALLEST))


def _standard_error(logs: Sequence[float], rounds: int) -> float:
    mean = math.fsum(logs) / len(logs)
    variance = math.fsum((log - mean) ** 2 for log in logs) / len(logs)
    return max(RESOLUTION, math.sqrt(variance * rounds / (rounds - 1)))
