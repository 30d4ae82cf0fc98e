"""Which cell comes next: as planned, until ratios are precise enough, or in search of a rate.

A strategy is a generator of cells that goes on when the last one is on disk, so that it may read
the results so far.
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
from windtunnel.runner.cell_plan import CellSpec, LoadSpec, Plan, why_unsuitable
from windtunnel.runner.progress import ProgressDisplay
from windtunnel.runner.request import Request
from windtunnel.workload.stores import StoreInfo

Strategy = Callable[[Plan, Path, ProgressDisplay], Iterator[CellSpec]]


def rounds(request: Request) -> Strategy:
    """Return round after round: as many as planned, and more until a precision is reached."""

    def specs(plan: Plan, folder: Path, display: ProgressDisplay) -> Iterator[CellSpec]:
        began = monotonic()
        for number in count(1):
            yield from plan.round(number)
            if number >= plan.rounds:
                if _may_end(request, folder, monotonic() - began, display.note):
                    return
                display.more(plan.cells_per_round)

    return specs


def _may_end(request: Request, folder: Path, elapsed_s: float, note: Callable[[str], None]) -> bool:
    """Return whether rounds may end, and note the reason: the precision or the time."""
    target = request.precision
    if target is None:
        return True
    interval = precision(results.load(folder))
    if interval is None:
        note("nothing can be ranked, so that no precision can be reached")
        return True
    reached = f"{interval.subject} is known to within {interval.width:.1%}"
    if interval.width <= target:
        note(f"precision reached: {reached}")
        return True
    if elapsed_s >= request.max_time:
        note(f"time is over: {reached}, {target:.1%} was the target")
        return True
    return False


@dataclass(slots=True)
class _Search:
    """The outcomes for one store under one load so far: by rate, whether the objectives held."""

    store: StoreInfo
    load: LoadSpec
    variant: str | None = None
    outcomes: dict[float, State] = field(default_factory=dict)
    why_ended: str | None = None
    """The reason to end the search before the capacity is bracketed."""

    def at(self, rate: float, round_number: int) -> CellSpec:
        return CellSpec(
            self.store, replace(self.load, users=None, rate=rate), round_number, self.variant
        )

    def next(self, first: float) -> float | None:
        return next_rate(self.outcomes, first=first) if self.why_ended is None else None

    def judge(self, rate: float, slos: Sequence[Slo], run: results.Run, duration: float) -> None:
        slow = self.load.slow.rate if self.load.slow else None
        load = (self.load.mix, self.load.processes, rate, slow)
        cells = [
            cell
            for cell in run.cells
            if (cell.store, cell.variant) == (self.store.id, self.variant)
            and (cell.mix, cell.processes, cell.rate, cell.slow_rate) == load
        ]
        verdicts = judge(slos, results.Run(path=run.path, info=run.info, cells=cells, damaged=[]))
        self.outcomes[rate] = combined_state(verdict.state for verdict in verdicts)
        self.why_ended = why_too_few_samples(verdicts, cells, duration)

    def __str__(self) -> str:
        rates = bracket(self.outcomes)
        held = "no rate" if rates.held is None else f"{rates.held:g}/s"
        broke = "" if rates.broke is None else f", not at {rates.broke:g}/s ({rates.why})"
        subject = f"{self.variant} {self.store.id}" if self.variant else self.store.id
        end = "" if self.why_ended is None else f"; the search ends: {self.why_ended}"
        slow = f" and {self.load.slow}" if self.load.slow else ""
        return f"{subject} {self.load.mix}{slow}: the objectives hold at {held}{broke}{end}"


def search(request: Request, first: float) -> Strategy:
    """Return rates in search of the highest at which every objective holds, `first` to begin with.

    Raises UsageError for an objective that no rate can break.

    All stores are searched side by side: a step measures the next rate of each, in shuffled rounds.
    """
    slos = [parse(text) for text in request.slos]
    if any(slo.measure == "regression" for slo in slos):
        raise UsageError("a regression has no capacity: it compares two servers, see run --against")

    def specs(plan: Plan, folder: Path, display: ProgressDisplay) -> Iterator[CellSpec]:
        rng = random.Random(plan.seed)
        searches = [
            _Search(store, load, variant.name)
            for variant, store, load in product(plan.variants, plan.stores, plan.loads)
            if variant.takes(store) and not why_unsuitable(store, load)
        ]
        while step := _next(searches, first):
            for number in range(1, plan.rounds + 1):
                rng.shuffle(step)
                yield from (search.at(rate, number) for search, rate in step)
            run = results.load(folder)
            for search, rate in step:
                search.judge(rate, slos, run, request.duration)
                display.note(str(search))
            display.more(len(_next(searches, first)) * plan.rounds)

    return specs


def _next(searches: Sequence[_Search], first: float) -> list[tuple[_Search, float]]:
    """Return the searches that go on, each with its next rate."""
    rates = [(search, search.next(first)) for search in searches]
    return [(search, rate) for search, rate in rates if rate is not None]
