"""Which layout is best: objectives first, then what slow work gets done, then the fast tail.

The same rule for what was measured and for what the model says: whatever has figures can stand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from windtunnel.analysis.metrics import RESPONSE
from windtunnel.analysis.slo import LATENCIES, Slo
from windtunnel.analysis.stats import IntervalEstimate
from windtunnel.errors import UsageError
from windtunnel.recording.histogram import QUANTILES
from windtunnel.tuning.layout import FAST, SLOW, PoolLayout

SLOW_OPERATIONS = frozenset({"summary", "sleep"})
ALIKE = 0.02
"""What slow work gets done is the same where it differs by no more than that."""

P99 = 0.99


class ObjectiveError(UsageError):
    """An objective that says nothing about a layout; the message is one line."""


class Figures(Protocol):
    """What is known of one kind of work under a layout."""

    def quantile(
        self, q: float, operation: str | None = None, latency: str = RESPONSE
    ) -> IntervalEstimate:
        """Of its times in us; the model has response times of all of its operations only."""

    @property
    def throughput(self) -> IntervalEstimate:
        """Requests answered a second."""

    @property
    def failed_share(self) -> float:
        """The share without a successful response."""


def kinds(slo: Slo) -> tuple[str, ...]:
    """The kinds of work that an objective speaks of, whichever pool serves them.

    Raises ObjectiveError where it is neither fast nor slow work.
    """
    if slo.measure == "regression":
        raise ObjectiveError(f"--slo {str(slo)!r}: a regression compares servers, not splits")
    if slo.pool not in {None, FAST, SLOW}:
        raise ObjectiveError(f"--slo {str(slo)!r}: splits are tried for fast and slow work only")
    if slo.operation is not None:
        kind = SLOW if slo.operation in SLOW_OPERATIONS else FAST
        if slo.pool not in {None, kind}:
            raise ObjectiveError(f"--slo {str(slo)!r}: {slo.operation} is {kind} work")
        if kind == FAST and slo.measure not in LATENCIES:
            raise ObjectiveError(
                f"--slo {str(slo)!r}: ask it of all fast work, {slo.measure}(fast)"
            )
        return (kind,)
    return (FAST, SLOW) if slo.pool is None else (slo.pool,)


@dataclass(frozen=True, slots=True)
class JudgedObjective:
    """An objective's figure in the unit of its limit, for one kind of work."""

    slo: Slo
    kind: str
    figure: IntervalEstimate

    @property
    def holds(self) -> bool:
        """Whether the estimate is on the right side of the limit."""
        return self.slo.is_met_by(self.figure.estimate)

    @property
    def margin(self) -> float:
        """How many times better than the limit: 2 is half of the time allowed, below 1 fails."""
        value = self.figure.estimate
        if self.slo.at_least:
            return value / self.slo.limit
        return self.slo.limit / value if value else math.inf

    @property
    def sure(self) -> bool:
        """Whether the whole interval is on one side of the limit."""
        ends = (self.figure.low, self.figure.high)
        return all(end is None or self.slo.is_met_by(end) == self.holds for end in ends)


@dataclass(frozen=True)
class Evaluation:
    """A layout with what is known of it, judged by the objectives."""

    layout: PoolLayout
    works: Mapping[str, Figures]
    slos: Sequence[Slo]

    @cached_property
    def judged(self) -> list[JudgedObjective]:
        """Every objective for every kind of work that it speaks of and that there is."""
        return [
            JudgedObjective(slo, kind, _figure(slo, self.works[kind]))
            for slo in self.slos
            for kind in kinds(slo)
            if kind in self.works
        ]

    @property
    def holds(self) -> bool:
        """Whether every objective holds."""
        return all(objective.holds for objective in self.judged)

    @cached_property
    def tightest(self) -> JudgedObjective:
        """The objective with the least margin."""
        return min(self.judged, key=lambda objective: objective.margin)

    @property
    def margin(self) -> float:
        """The least margin of its objectives."""
        return self.tightest.margin

    @cached_property
    def fast_p99(self) -> IntervalEstimate:
        """In us."""
        return self.works[FAST].quantile(P99)

    @cached_property
    def throughput(self) -> IntervalEstimate:
        """Slow requests answered a second; without slow work the fast ones."""
        return self.works[SLOW if SLOW in self.works else FAST].throughput


def _figure(slo: Slo, figures: Figures) -> IntervalEstimate:
    if slo.measure == "throughput":
        return figures.throughput
    if slo.measure == "failures":
        return IntervalEstimate(figures.failed_share, None, None, 0)
    q = 1.0 if slo.measure == "max" else QUANTILES[slo.measure]
    return figures.quantile(q, slo.operation, slo.latency or RESPONSE)


def ranked(evaluations: Iterable[Evaluation]) -> list[Evaluation]:
    """Best first: those that hold, most slow work done, then the greatest margin.

    What slow work gets done counts in steps of `ALIKE` below the most that any gets done. Of those
    that break an objective the one that is nearest to holding is first.
    """
    ordered = list(evaluations)
    most = max(
        (evaluation.throughput.estimate for evaluation in ordered if evaluation.holds), default=0.0
    )

    def place(evaluation: Evaluation) -> tuple[bool, float, float]:
        short = 1 - evaluation.throughput.estimate / most if most else 0.0
        worse = math.floor(short / ALIKE) if evaluation.holds and short > ALIKE else 0
        return (not evaluation.holds, worse, -evaluation.margin)

    return sorted(ordered, key=place)


def front(evaluations: Iterable[Evaluation]) -> list[Evaluation]:
    """Pareto's front: no other has a lower fast p99 and as much slow work done, or the reverse."""
    candidates = list(evaluations)
    return [
        evaluation
        for evaluation in candidates
        if not any(_dominates(other, evaluation) for other in candidates)
    ]


def _dominates(evaluation: Evaluation, other: Evaluation) -> bool:
    p99 = evaluation.fast_p99.estimate, other.fast_p99.estimate
    throughput = evaluation.throughput.estimate, other.throughput.estimate
    return (
        p99[0] <= p99[1]
        and throughput[0] >= throughput[1]
        and (p99[0], throughput[0]) != (p99[1], throughput[1])
    )
