"""Which cell comes next: as planned, until ratios are known well enough, or in search of a rate.

Each is a generator that is asked for the next order when the last one's cell is on disk, so that it
may look at what was found.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, product
from pathlib import Path
from time import monotonic

from windtunnel.analysis.capacity import (
    bracket,
    combined_state,
    next_rate,
    why_too_few_samples,
)
from windtunnel.analysis.precision import precision
from windtunnel.analysis.slo import Slo, parse
from windtunnel.analysis.summary import State
from windtunnel.analysis.verdicts import judge
from windtunnel.errors import UsageError
from windtunnel.recording import results
from windtunnel.runner.plan import CellSpec, LoadSpec, Plan, why_unsuitable
from windtunnel.runner.progress import ProgressDisplay
from windtunnel.runner.request import Request
from windtunnel.workload.stores import StoreInfo

Strategy = Callable[[Plan, Path, ProgressDisplay], Iterator[CellSpec]]


def rounds(request: Request) -> Strategy:
    """Return round after round: as many as planned, and more until a precision is reached."""

    def orders(plan: Plan, folder: Path, shown: ProgressDisplay) -> Iterator[CellSpec]:
        began = monotonic()
        for number in count(1):
            yield from plan.round(number)
            if number >= plan.rounds:
                if _precise(request, folder, monotonic() - began, shown.note):
                    return
                shown.more(plan.a_round)

    return orders


def _precise(request: Request, folder: Path, seconds: float, note: Callable[[str], None]) -> bool:
    """Return whether rounds may end, and say which it was: the precision or the time."""
    wanted = request.precision
    if wanted is None:
        return True
    found = precision(results.load(folder))
    if found is None:
        note("nothing can be ranked, so that no precision can be reached")
        return True
    reached = f"{found.subject} is known to within {found.width:.1%}"
    if found.width <= wanted:
        note(f"precision reached: {reached}")
        return True
    if seconds >= request.max_time:
        note(f"time is over: {reached}, {wanted:.1%} was wanted")
        return True
    return False


@dataclass(slots=True)
class _Search:
    """What is known of one store under one load so far: by rate, whether the objectives held."""

    store: StoreInfo
    load: LoadSpec
    variant: str | None = None
    outcomes: dict[float, State] = field(default_factory=dict)
    why_ended: str | None = None
    """What ends the search before all is known."""

    def at(self, rate: float, number: int) -> CellSpec:
        return CellSpec(self.store, replace(self.load, users=None, rate=rate), number, self.variant)

    def next(self, first: float) -> float | None:
        return next_rate(self.outcomes, first=first) if self.why_ended is None else None

    def judge(self, rate: float, slos: Sequence[Slo], run: results.Run, duration: float) -> None:
        slow = self.load.slow.rate if self.load.slow else None
        load = (self.load.mix, self.load.processes, rate, slow)
        mine = [
            cell
            for cell in run.cells
            if (cell.store, cell.variant) == (self.store.id, self.variant)
            and (cell.mix, cell.processes, cell.rate, cell.slow_rate) == load
        ]
        judged = judge(slos, results.Run(path=run.path, info=run.info, cells=mine, damaged=[]))
        self.outcomes[rate] = combined_state(verdict.state for verdict in judged)
        self.why_ended = why_too_few_samples(judged, mine, duration)

    def __str__(self) -> str:
        known = bracket(self.outcomes)
        held = "no rate" if known.held is None else f"{known.held:g}/s"
        broke = "" if known.broke is None else f", not at {known.broke:g}/s ({known.why})"
        who = f"{self.variant} {self.store.id}" if self.variant else self.store.id
        end = "" if self.why_ended is None else f"; the search ends: {self.why_ended}"
        slow = f" and {self.load.slow}" if self.load.slow else ""
        return f"{who} {self.load.mix}{slow}: the objectives hold at {held}{broke}{end}"


def search(request: Request, first: float) -> Strategy:
    """Return rates in search of the highest at which every objective holds, `first` to begin with.

    Raises UsageError for an objective that no rate can break.

    All stores are searched side by side: a step measures the next rate of each, in shuffled rounds.
    """
    slos = [parse(text) for text in request.slos]
    if any(slo.measure == "regression" for slo in slos):
        raise UsageError("a regression has no capacity: it compares two servers, see run --against")

    def orders(plan: Plan, folder: Path, shown: ProgressDisplay) -> Iterator[CellSpec]:
        shuffled = random.Random(plan.seed)
        searches = [
            _Search(store, load, variant.name)
            for variant, store, load in product(plan.variants, plan.stores, plan.loads)
            if variant.takes(store) and not why_unsuitable(store, load)
        ]
        while step := _next(searches, first):
            for number in range(1, plan.rounds + 1):
                shuffled.shuffle(step)
                yield from (one.at(rate, number) for one, rate in step)
            run = results.load(folder)
            for one, rate in step:
                one.judge(rate, slos, run, request.duration)
                shown.note(str(one))
            shown.more(len(_next(searches, first)) * plan.rounds)

    return orders


def _next(searches: Sequence[_Search], first: float) -> list[tuple[_Search, float]]:
    wanted = [(one, one.next(first)) for one in searches]
    return [(one, rate) for one, rate in wanted if rate is not None]
