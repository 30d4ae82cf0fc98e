"""The highest rate at which an objective held, from cells at several open rates."""

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from bench.figures.search import bracket
from bench.figures.summary import Capacity, Load, State, Verdict

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
