"""The highest rate at which an objective held, from cells at several open rates."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from bench.disk.results import OK, Cell
from bench.figures.candidates import samples_needed
from bench.figures.search import bracket
from bench.figures.slo import parse
from bench.figures.summary import PER_MILLE, Capacity, Load, State, Verdict
from bench.figures.verdicts import GENERATOR
from bench.figures.views import attributed, label

Question = tuple[str, str, Load]
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
    return State.HOLDS if seen == {State.HOLDS} else State.CANNOT_TELL


def lacking(verdicts: Sequence[Verdict], cells: Sequence[Cell], duration: float) -> str | None:
    """Why nothing can be told for want of samples, and what to give; None where a lower rate helps.

    A rate that fails, or that was the generator's limit, asks for a lower one. Too few samples do
    not: they get fewer. `duration` is that of one of the cells.
    """
    short = [v for v in verdicts if v.state is State.CANNOT_TELL and v.why != GENERATOR]
    if not short or together(verdict.state for verdict in verdicts) is State.FAILS:
        return None
    return max(_lack(verdict, cells, duration) for verdict in short)[1]


def _lack(verdict: Verdict, cells: Sequence[Cell], duration: float) -> tuple[float, str]:
    """How long cells would have to be, and that in words."""
    per_mille = PER_MILLE.get(parse(verdict.slo).measure)
    needed = 1 if per_mille is None else samples_needed(per_mille)
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
