"""Which pool layouts are clearly worse than the best, and which cannot be told apart from it.

Decided on whole rounds, in pairs: a layout and the best measured in the same round.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from windtunnel.analysis.metrics import RESPONSE
from windtunnel.analysis.slo import Slo
from windtunnel.analysis.stats import (
    MIN_ROUNDS,
    Bootstrap,
    LogRatio,
    holm,
    log_ratio_to,
    paired_log_ratio,
)
from windtunnel.recording.histogram import QUANTILES
from windtunnel.tuning.measurements import MeasuredWork
from windtunnel.tuning.objectives import ALIKE, Evaluation, JudgedObjective

LEAST = 4
"""Common rounds before anything is dropped."""

SURE = 0.01
TIE = 0.05


def pruned(evaluations: Sequence[Evaluation]) -> dict[str, str]:
    """Which of these are clearly worse than the first of them, by name, and why."""
    leader, *others = evaluations
    reasons = {evaluation.layout.name: why_worse(evaluation, leader) for evaluation in others}
    significant = {name: reason for name, reason in reasons.items() if reason is not None}
    corrected = holm([p for p, _ in significant.values()])
    return {
        name: why
        for (name, (_, why)), p in zip(significant.items(), corrected, strict=True)
        if p < SURE
    }


def why_worse(evaluation: Evaluation, leader: Evaluation) -> tuple[float, str] | None:
    """Return a p-value that it is worse than the leader, and in what it is; None if it is not."""
    tests = [
        _breaks_objective(evaluation, leader),
        _completes_less(evaluation, leader),
        _misses_by_more(evaluation, leader),
    ]
    reasons = [reason for reason in tests if reason is not None]
    if not reasons:
        return None
    surest = min(reasons)
    return surest[0], next((why for p, why in reasons if p < SURE), surest[1])


def _breaks_objective(evaluation: Evaluation, leader: Evaluation) -> tuple[float, str] | None:
    """An objective that the leader holds is broken."""
    judged = evaluation.tightest
    sampled = objective_bootstrap(judged.slo, evaluation, judged.kind)
    if judged.holds or not leader.holds or sampled is None:
        return None
    spread = log_ratio_to(sampled, judged.slo.limit, LEAST)
    return _with_p_value(spread, f"breaks {judged.slo}")


def _completes_less(evaluation: Evaluation, leader: Evaluation) -> tuple[float, str] | None:
    """Less slow work gets done, while the leader holds."""
    throughput, best_throughput = evaluation.throughput.estimate, leader.throughput.estimate
    if not leader.holds or throughput >= best_throughput * (1 - ALIKE):
        return None
    spread = paired_log_ratio(_rate(evaluation), _rate(leader), LEAST)
    return _with_p_value(spread, f"gets {1 - throughput / best_throughput:.0%} less slow work done")


def _misses_by_more(evaluation: Evaluation, leader: Evaluation) -> tuple[float, str] | None:
    """Worse in the objective that is tightest, and no more slow work done."""
    if (
        evaluation.throughput.estimate > leader.throughput.estimate * (1 + ALIKE)
        and leader.holds is evaluation.holds
    ):
        return None
    spread = ratio_to(evaluation, leader, LEAST)
    if spread is None or not _is_worse(spread, evaluation.tightest):
        return None
    factor = math.exp(abs(spread.log_ratio))
    return _with_p_value(spread, f"{evaluation.tightest.slo}: {factor:.2g}x best")


def ratio_to(
    evaluation: Evaluation, leader: Evaluation, least: int = MIN_ROUNDS
) -> LogRatio | None:
    """The ratio of both in the tightest objective of `evaluation`; None: too few rounds."""
    judged = evaluation.tightest
    own, leading = (
        objective_bootstrap(judged.slo, side, judged.kind) for side in (evaluation, leader)
    )
    if own is None or leading is None:
        return None
    return paired_log_ratio(own, leading, least)


def ties(evaluations: Sequence[Evaluation]) -> list[str]:
    """Which of these cannot be told from the first: in no figure at 5 %, Holm-corrected."""
    leader, *others = evaluations
    p_values = {evaluation.layout.name: _differs(evaluation, leader) for evaluation in others}
    corrected = holm(list(p_values.values()))
    return [name for name, p in zip(p_values, corrected, strict=True) if p >= TIE]


def _differs(evaluation: Evaluation, leader: Evaluation) -> float:
    if evaluation.holds is not leader.holds:
        broken = leader if evaluation.holds else evaluation
        return 0.0 if broken.tightest.sure else 1.0
    rates = paired_log_ratio(_rate(evaluation), _rate(leader))
    apart = (
        abs(evaluation.throughput.estimate / leader.throughput.estimate - 1) > ALIKE
        if leader.throughput.estimate
        else False
    )
    spreads = [ratio_to(evaluation, leader), rates if apart else None]
    return min((spread.p_value for spread in spreads if spread is not None), default=1.0)


def objective_bootstrap(slo: Slo, evaluation: Evaluation, kind: str) -> Bootstrap | None:
    """What an objective asks for, by round; None for the share of failures."""
    work = evaluation.works[kind]
    assert isinstance(work, MeasuredWork)
    if slo.measure == "throughput":
        return work.rate
    if slo.measure == "failures":
        return None
    q = 1.0 if slo.measure == "max" else QUANTILES[slo.measure]
    return work.times(q, slo.operation, slo.latency or RESPONSE)


def _rate(evaluation: Evaluation) -> Bootstrap:
    work: Mapping[str, object] = evaluation.works
    slow = work.get("slow") or work["fast"]
    assert isinstance(slow, MeasuredWork)
    return slow.rate


def _is_worse(spread: LogRatio, judged: JudgedObjective) -> bool:
    return spread.log_ratio < 0 if judged.slo.at_least else spread.log_ratio > 0


def _with_p_value(spread: LogRatio | None, why: str) -> tuple[float, str] | None:
    return None if spread is None else (spread.p_value, why)
