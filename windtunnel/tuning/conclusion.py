"""What a tuner says in the end, beside what the model says of the same splits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from windtunnel.analysis import stats
from windtunnel.analysis.slo import Slo
from windtunnel.recording.tuning_results import Figure, Kind, Objective, Tried, Tuned
from windtunnel.tuning.forecast import Length, forecast
from windtunnel.tuning.layout import FAST, SLOW
from windtunnel.tuning.objectives import Evaluation, JudgedObjective, front
from windtunnel.tuning.system_model import work_of
from windtunnel.tuning.tuner import Trials, against, ties


def conclude(trials: Trials, former: str | None, model: Mapping[str, Any]) -> Tuned:
    """The recommended layout and the rest of it.

    Among layouts that cannot be told apart the former one is recommended, if it is there and does
    not look as if it broke an objective: there is no reason to change it.
    """
    evaluations = trials.evaluations()
    alive = [one for one in evaluations if one.layout.name not in trials.dropped]
    alike = ties(alive) if alive else []
    best = alive[0] if alive else None
    kept = _kept(former, alive) if former in alike else None
    if best is not None and kept is not None:
        alike = [best.layout.name, *(name for name in alike if name != former)]
        best = kept
    rest = [one for one in evaluations if one is not best]
    second = rest[0] if rest else None
    predicted = predictions(evaluations, trials.slos, model)
    on_front = {one.layout.name for one in front(evaluations)}
    return Tuned(
        slos=[str(slo) for slo in trials.slos],
        former=former,
        recommended=best.layout.name if best else None,
        ties=alike,
        runner_up=second.layout.name if second else None,
        ratio=_ratio(second, best) if best and second else None,
        ended=trials.ended,
        tried=[
            _tried(one, predicted.get(one.layout.name), on_front, trials.dropped)
            for one in evaluations
        ],
        fast=model.get(FAST),
        slow=model.get(SLOW),
        cores=model.get("cores"),
    )


def _kept(former: str | None, alive: Sequence[Evaluation]) -> Evaluation | None:
    """The former layout, unless it breaks an objective that the best one holds."""
    found = next(one for one in alive if one.layout.name == former)
    return found if found.holds is alive[0].holds else None


def predictions(
    evaluations: Sequence[Evaluation], slos: Sequence[Slo], model: Mapping[str, Any]
) -> dict[str, Evaluation]:
    """What the model says of each layout, in rounds as long as the measured ones."""
    fast, slow = model.get(FAST), model.get(SLOW)
    if not isinstance(fast, Kind) or not isinstance(slow, Kind):
        return {}
    length = Length(warmup=model["warmup"], duration=model["duration"])
    works = work_of(fast, FAST), work_of(slow, SLOW)
    return {
        one.layout.name: Evaluation(
            one.layout, forecast(one.layout.scene(*works, model["cores"]), length), slos
        )
        for one in evaluations
    }


def _tried(
    one: Evaluation, said: Evaluation | None, on_front: set[str], dropped: Mapping[str, str]
) -> Tried:
    name = one.layout.name
    return Tried(
        name=name,
        rounds=one.fast_p99.rounds,
        fast_p99_us=_figure(one.fast_p99),
        slow_rps=_figure(one.done),
        predicted_fast_p99_us=_figure(said.fast_p99) if said else Figure(estimate=None),
        predicted_slow_rps=_figure(said.done) if said else Figure(estimate=None),
        objectives=[_objective(each) for each in one.judged],
        holds=one.holds,
        front=name in on_front,
        pruned=dropped.get(name),
    )


def _objective(one: JudgedObjective) -> Objective:
    return Objective(
        slo=str(one.slo),
        kind=one.kind,
        found=_finite(one.figure.estimate),
        margin=_finite(one.margin),
        holds=one.holds,
    )


def _ratio(second: Evaluation, best: Evaluation) -> Figure | None:
    """How many times the best's figure the runner-up's is, in its tightest objective."""
    spread = against(second, best)
    if spread is None:
        return None
    low, high = spread.interval
    return Figure(estimate=math.exp(spread.log_ratio), low=low, high=high)


def _figure(one: stats.IntervalEstimate) -> Figure:
    return Figure(estimate=_finite(one.estimate), low=one.low, high=one.high)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
