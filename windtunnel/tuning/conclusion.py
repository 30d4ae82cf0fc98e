"""What a tuner says in the end, beside what the model says of the same splits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from windtunnel.analysis import stats
from windtunnel.analysis.slo import Slo
from windtunnel.recording.tuning_results import (
    Estimate,
    ObjectiveResult,
    SplitResult,
    TuningResult,
    WorkProfile,
)
from windtunnel.tuning.forecast import Length, forecast
from windtunnel.tuning.layout import FAST, SLOW
from windtunnel.tuning.objectives import Evaluation, JudgedObjective, front
from windtunnel.tuning.pruning import ratio_to, ties
from windtunnel.tuning.system_model import work_of
from windtunnel.tuning.tuner import Trials


def conclude(trials: Trials, former: str | None, model: Mapping[str, Any]) -> TuningResult:
    """The recommended layout and the rest of it.

    Among layouts that cannot be told apart the former one is recommended, if it is there and does
    not look as if it broke an objective: there is no reason to change it.
    """
    evaluations = trials.evaluations()
    remaining = [
        evaluation for evaluation in evaluations if evaluation.layout.name not in trials.dropped
    ]
    tied = ties(remaining) if remaining else []
    best = remaining[0] if remaining else None
    former_evaluation = _kept(former, remaining) if former in tied else None
    if best is not None and former_evaluation is not None:
        tied = [best.layout.name, *(name for name in tied if name != former)]
        best = former_evaluation
    others = [evaluation for evaluation in evaluations if evaluation is not best]
    runner_up = others[0] if others else None
    predicted = predictions(evaluations, trials.slos, model)
    on_front = {evaluation.layout.name for evaluation in front(evaluations)}
    return TuningResult(
        slos=[str(slo) for slo in trials.slos],
        former=former,
        recommended=best.layout.name if best else None,
        ties=tied,
        runner_up=runner_up.layout.name if runner_up else None,
        ratio=_ratio_in_tightest_objective(runner_up, best) if best and runner_up else None,
        ended=trials.ended,
        tried=[
            _tried(evaluation, predicted.get(evaluation.layout.name), on_front, trials.dropped)
            for evaluation in evaluations
        ],
        fast=model.get(FAST),
        slow=model.get(SLOW),
        cores=model.get("cores"),
    )


def _kept(former: str | None, remaining: Sequence[Evaluation]) -> Evaluation | None:
    """The former layout, unless it breaks an objective that the best one holds."""
    evaluation = next(evaluation for evaluation in remaining if evaluation.layout.name == former)
    return evaluation if evaluation.holds is remaining[0].holds else None


def predictions(
    evaluations: Sequence[Evaluation], slos: Sequence[Slo], model: Mapping[str, Any]
) -> dict[str, Evaluation]:
    """What the model says of each layout, in rounds as long as the measured ones."""
    fast, slow = model.get(FAST), model.get(SLOW)
    if not isinstance(fast, WorkProfile) or not isinstance(slow, WorkProfile):
        return {}
    length = Length(warmup=model["warmup"], duration=model["duration"])
    works = work_of(fast, FAST), work_of(slow, SLOW)
    return {
        evaluation.layout.name: Evaluation(
            evaluation.layout,
            forecast(evaluation.layout.system_model(*works, model["cores"]), length),
            slos,
        )
        for evaluation in evaluations
    }


def _tried(
    evaluation: Evaluation,
    prediction: Evaluation | None,
    on_front: set[str],
    dropped: Mapping[str, str],
) -> SplitResult:
    name = evaluation.layout.name
    return SplitResult(
        name=name,
        rounds=evaluation.fast_p99.rounds,
        fast_p99_us=_figure(evaluation.fast_p99),
        slow_rps=_figure(evaluation.throughput),
        predicted_fast_p99_us=_figure(prediction.fast_p99)
        if prediction
        else Estimate(estimate=None),
        predicted_slow_rps=_figure(prediction.throughput)
        if prediction
        else Estimate(estimate=None),
        objectives=[_objective(objective) for objective in evaluation.judged],
        holds=evaluation.holds,
        front=name in on_front,
        pruned=dropped.get(name),
    )


def _objective(objective: JudgedObjective) -> ObjectiveResult:
    return ObjectiveResult(
        slo=str(objective.slo),
        kind=objective.kind,
        found=_finite(objective.figure.estimate),
        margin=_finite(objective.margin),
        holds=objective.holds,
    )


def _ratio_in_tightest_objective(second: Evaluation, best: Evaluation) -> Estimate | None:
    """How many times the best's figure the runner-up's is, in its tightest objective."""
    spread = ratio_to(second, best)
    if spread is None:
        return None
    low, high = spread.interval
    return Estimate(estimate=math.exp(spread.log_ratio), low=low, high=high)


def _figure(estimate: stats.IntervalEstimate) -> Estimate:
    return Estimate(estimate=_finite(estimate.estimate), low=estimate.low, high=estimate.high)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
