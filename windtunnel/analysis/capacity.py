"""The highest rate at which an objective held: which rate to try next, and what the rates say."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from windtunnel.analysis.keys import TableLoad, operation_key
from windtunnel.analysis.slo import parse
from windtunnel.analysis.summary import Capacity, State, Verdict
from windtunnel.analysis.unanswered import with_pools
from windtunnel.analysis.verdicts import GENERATOR
from windtunnel.recording.conditions import LoadConditions
from windtunnel.recording.histogram import QUANTILES, samples_needed
from windtunnel.recording.results import OK, Cell

PRECISION = 0.05
STEP = 2.0


@dataclass(frozen=True, slots=True)
class Bracket:
    """The highest rate lies from `held` up to `broke`; `why` is the state of the latter."""

    held: float | None
    broke: float | None
    why: State | None


def bracket(outcomes: Mapping[float, State]) -> Bracket:
    """The highest rate that held below the lowest that failed or was inconclusive."""
    not_held = [rate for rate, state in outcomes.items() if state is not State.HOLDS]
    broke = min(not_held, default=None)
    below = [rate for rate in outcomes.keys() - not_held if broke is None or rate < broke]
    why = None if broke is None else outcomes[broke]
    return Bracket(max(below, default=None), broke, why)


def next_rate(
    outcomes: Mapping[float, State],
    *,
    first: float,
    lowest: float = 1.0,
    highest: float = 1_000_000.0,
    precision: float = PRECISION,
) -> float | None:
    """The next rate to measure, of three digits, from `lowest` to `highest`.

    None where the capacity is known to within `precision`. No rate is returned twice.
    """
    if not outcomes:
        return _readable(min(max(first, lowest), highest), lowest, highest)
    limits = bracket(outcomes)
    if limits.broke is None:
        rate = min((limits.held or first) * STEP, highest)
    elif limits.held is None:
        rate = max(limits.broke / STEP, lowest)
    elif limits.broke / limits.held <= 1 + precision:
        return None
    else:
        rate = math.sqrt(limits.held * limits.broke)
    rate = _readable(rate, lowest, highest)
    return None if rate in outcomes else rate


def _readable(rate: float, lowest: float, highest: float) -> float:
    """The rate to three significant digits, and within its bounds."""
    return min(max(float(f"{rate:.3g}"), lowest), highest)


Subject = tuple[str, str, TableLoad]
"""Objective, store, and the load without its rate."""


def capacities(verdicts: Iterable[Verdict]) -> list[Capacity]:
    """For each objective and store that met several open rates, the best store first.

    An objective holds at a rate when it holds for every operation it applies to.
    """
    subjects: dict[Subject, dict[float, list[State]]] = defaultdict(lambda: defaultdict(list))
    for verdict in verdicts:
        is_regression = verdict.slo.startswith("regression")
        if verdict.store and verdict.load and verdict.load.rate is not None and not is_regression:
            load = msgspec.structs.replace(verdict.load, rate=None)
            subjects[verdict.slo, verdict.store, load][verdict.load.rate].append(verdict.state)
    rows = [_capacity(subject, rates) for subject, rates in subjects.items() if len(rates) > 1]
    return sorted(rows, key=lambda row: (row.slo, row.mix or "", -(row.held or 0.0), row.store))


def combined_state(states: Iterable[State]) -> State:
    """One state for several: it fails when one fails, and holds only when all hold."""
    distinct = set(states)
    if State.FAILS in distinct:
        return State.FAILS
    return State.HOLDS if distinct == {State.HOLDS} else State.INCONCLUSIVE


def why_too_few_samples(
    verdicts: Sequence[Verdict], cells: Sequence[Cell], duration: float
) -> str | None:
    """Why verdicts are inconclusive for want of samples, and what to give; None where they are not.

    A rate that fails, or that was the generator's limit, asks for a lower one. Too few samples do
    not: they get fewer. `duration` is that of one of the cells, in seconds.
    """
    inconclusive = [
        verdict
        for verdict in verdicts
        if verdict.state is State.INCONCLUSIVE and verdict.why != GENERATOR
    ]
    state = combined_state(verdict.state for verdict in verdicts)
    if not inconclusive or state is State.FAILS:
        return None
    return max(_needed_duration(verdict, cells, duration) for verdict in inconclusive)[1]


def _needed_duration(verdict: Verdict, cells: Sequence[Cell], duration: float) -> tuple[float, str]:
    """How long cells would have to be, in seconds, and that in words."""
    q = QUANTILES.get(parse(verdict.slo).measure)
    needed = 1 if q is None else samples_needed(q)
    results = (result for cell in cells for result in with_pools(cell).operations)
    count = sum(
        result.count
        for result in results
        if result.outcome == OK and str(operation_key(result)) == verdict.operation
    )
    seconds = math.ceil(1.1 * duration * needed / (count or 1))
    return seconds, (
        f"{verdict.operation or 'it'} has {count:,} of {needed:,} samples: "
        f"give --duration {seconds}, or more --rounds"
    )


def _capacity(subject: Subject, rates: dict[float, list[State]]) -> Capacity:
    slo, store, load = subject
    limits = bracket({rate: combined_state(states) for rate, states in rates.items()})
    conditions = msgspec.convert(load, LoadConditions, from_attributes=True)
    return Capacity(
        **msgspec.structs.asdict(conditions),
        slo=slo,
        store=store,
        held=limits.held,
        broke=limits.broke,
        why=limits.why,
    )
