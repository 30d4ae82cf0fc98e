"""The highest rate at which an objective held, from cells at several open rates."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from windtunnel.analysis.grouping import attributed, label
from windtunnel.analysis.slo import parse
from windtunnel.analysis.summary import Capacity, State, TableLoad, Verdict
from windtunnel.analysis.verdicts import GENERATOR
from windtunnel.recording.histogram import QUANTILES, samples_needed
from windtunnel.recording.results import OK, Cell

# Which rate to try next, to find the highest at which objectives hold: pure, and it ends.


PRECISION = 0.05
STEP = 2.0


@dataclass(frozen=True, slots=True)
class Bracket:
    """What is known: the rate lies from `held` up to `broke`; `why` tells what stopped there."""

    held: float | None
    broke: float | None
    why: State | None


def bracket(outcomes: Mapping[float, State]) -> Bracket:
    """The highest rate that held below the lowest that did not (or of which nothing is known)."""
    broke = min(
        (rate for rate, state in outcomes.items() if state is not State.HOLDS), default=None
    )
    held = max(
        (
            rate
            for rate, state in outcomes.items()
            if state is State.HOLDS and (broke is None or rate < broke)
        ),
        default=None,
    )
    return Bracket(held, broke, None if broke is None else outcomes[broke])


def next_rate(
    outcomes: Mapping[float, State],
    *,
    first: float,
    lowest: float = 1.0,
    highest: float = 1_000_000.0,
    precision: float = PRECISION,
) -> float | None:
    """The next rate to measure, of three digits, from `lowest` to `highest`; None: all is known.

    No rate is asked for twice.
    """
    if not outcomes:
        return readable(min(max(first, lowest), highest), lowest, highest)
    known = bracket(outcomes)
    if known.broke is None:
        wanted = min((known.held or first) * STEP, highest)
    elif known.held is None:
        wanted = max(known.broke / STEP, lowest)
    elif known.broke / known.held <= 1 + precision:
        return None
    else:
        wanted = math.sqrt(known.held * known.broke)
    rate = readable(wanted, lowest, highest)
    return None if rate in outcomes else rate


def readable(rate: float, lowest: float, highest: float) -> float:
    """The rate to three significant digits, and within its bounds."""
    return min(max(float(f"{rate:.3g}"), lowest), highest)


Question = tuple[str, str, TableLoad]
"""Objective, store, and the load but for its rate."""


def capacities(verdicts: Iterable[Verdict]) -> list[Capacity]:
    """For each objective and store that met several open rates, the best store first.

    An objective holds at a rate when it holds for every operation it speaks of.
    """
    asked: dict[Question, dict[float, list[State]]] = defaultdict(lambda: defaultdict(list))
    for verdict in verdicts:
        compared = verdict.slo.startswith("regression")
        if verdict.store and verdict.load and verdict.load.rate is not None and not compared:
            load = msgspec.structs.replace(verdict.load, rate=None)
            asked[verdict.slo, verdict.store, load][verdict.load.rate].append(verdict.state)
    several = {question: rates for question, rates in asked.items() if len(rates) > 1}
    found = [_capacity(question, rates) for question, rates in several.items()]
    return sorted(found, key=lambda each: (each.slo, each.mix, -(each.held or 0.0), each.store))


def together(states: Iterable[State]) -> State:
    """One state for several: it fails when one fails, and holds only when all hold."""
    seen = set(states)
    if State.FAILS in seen:
        return State.FAILS
    return State.HOLDS if seen == {State.HOLDS} else State.INCONCLUSIVE


def lacking(verdicts: Sequence[Verdict], cells: Sequence[Cell], duration: float) -> str | None:
    """Why nothing can be told for want of samples, and what to give; None where a lower rate helps.

    A rate that fails, or that was the generator's limit, asks for a lower one. Too few samples do
    not: they get fewer. `duration` is that of one of the cells.
    """
    short = [v for v in verdicts if v.state is State.INCONCLUSIVE and v.why != GENERATOR]
    if not short or together(verdict.state for verdict in verdicts) is State.FAILS:
        return None
    return max(_lack(verdict, cells, duration) for verdict in short)[1]


def _lack(verdict: Verdict, cells: Sequence[Cell], duration: float) -> tuple[float, str]:
    """How long cells would have to be, and that in words."""
    q = QUANTILES.get(parse(verdict.slo).measure)
    needed = 1 if q is None else samples_needed(q)
    results = [each for cell in cells for each in attributed(cell).operations]
    right = (each for each in results if each.outcome == OK)
    got = sum(r.count for r in right if label(r.operation, r.pool) == verdict.operation)
    seconds = math.ceil(1.1 * duration * needed / (got or 1))
    return seconds, (
        f"{verdict.operation or 'it'} has {got:,} of {needed:,} samples: "
        f"give --duration {seconds}, or more --rounds"
    )


def _capacity(question: Question, rates: dict[float, list[State]]) -> Capacity:
    slo, store, load = question
    known = bracket({rate: together(states) for rate, states in rates.items()})
    return Capacity(
        slo=slo,
        store=store,
        mix=load.mix,
        processes=load.processes,
        variant=load.variant,
        held=known.held,
        broke=known.broke,
        why=known.why,
    )
