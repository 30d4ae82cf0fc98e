"""Divisions tried under one load, in shuffled rounds, until it is known which is best."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Protocol

from windtunnel.analysis.precision import relative_half_width
from windtunnel.analysis.slo import Slo
from windtunnel.analysis.stats import (
    MIN_ROUNDS,
)
from windtunnel.analysis.wording import counted
from windtunnel.recording import results, series
from windtunnel.recording.results import Cell
from windtunnel.recording.series import Second
from windtunnel.tuning.layout import FAST, SLOW, PoolLayout
from windtunnel.tuning.measurements import MeasuredWork, completed_in_window
from windtunnel.tuning.objectives import Evaluation, ranked
from windtunnel.tuning.pruning import LEAST, pruned, ratio_to


class Measure(Protocol):
    """Brings a layout into force, measures one cell of it in a round, puts that on disk."""

    def __call__(self, layout: PoolLayout, round_number: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """When to end: a precision (share of 1) of the ratio to the best, seconds, rounds."""

    precision: float = 0.1
    max_time: float = 600.0
    rounds: int = 60
    least: int = MIN_ROUNDS


@dataclass(slots=True)
class Trials:
    """All that is tried; `dropped` says of those that no longer are why, and after which round."""

    pool_layouts: Sequence[PoolLayout]
    slos: Sequence[Slo]
    folder: Path
    limits: Limits
    seed: int = 1
    note: Callable[[str], None] = print
    dropped: dict[str, str] = field(default_factory=dict)
    ended: str = ""

    def run(self, measure: Measure, more: Callable[[int, int], None] = lambda *_: None) -> None:
        """Measure round after round; `more` hears a round's number, and how many cells it has."""
        began = monotonic()
        for round_number in range(1, self.limits.rounds + 1):
            alive = self.alive
            more(round_number, len(alive))
            random.Random(f"{self.seed}:{round_number}").shuffle(alive)
            for layout in alive:
                measure(layout, round_number)
            self._prune(round_number)
            self.ended = self._why_over(round_number, monotonic() - began) or ""
            if self.ended:
                return
        self.ended = f"{counted(self.limits.rounds, 'round')}, as many as were allowed"

    @property
    def alive(self) -> list[PoolLayout]:
        """Those that are not dropped."""
        return [layout for layout in self.pool_layouts if layout.name not in self.dropped]

    def evaluations(self) -> list[Evaluation]:
        """All that was measured, best first; those that were dropped last."""
        run, damaged = results.load(self.folder), list[str]()
        seconds = list(series.seconds(self.folder, damaged))
        measured = [
            s for d in self.pool_layouts if (s := evaluation(d, run.cells, seconds, self.slos))
        ]
        order = ranked(measured)
        return sorted(order, key=lambda evaluation: evaluation.layout.name in self.dropped)

    def _contenders(self) -> list[Evaluation]:
        return [
            evaluation
            for evaluation in self.evaluations()
            if evaluation.layout.name not in self.dropped
        ]

    def _prune(self, round_number: int) -> None:
        if round_number < LEAST:
            return
        remaining = self._contenders()
        for name, why in pruned(remaining).items() if len(remaining) > 1 else ():
            self.dropped[name] = f"after round {round_number}: {why}"
            self.note(f"dropped {self.dropped[name].replace(':', f': {name}', 1)}")

    def _why_over(self, rounds_done: int, elapsed_s: float) -> str | None:
        remaining, least = self._contenders(), self.limits.least
        if len(self.pool_layouts) == 1:
            return self._why_over_with_one_split(
                rounds_done, elapsed_s, any_measured=bool(remaining)
            )
        if not remaining:
            return "no cell could be measured" if rounds_done >= least else None
        if len(remaining) == 1 and rounds_done >= least:
            return f"all others were dropped, after {rounds_done} rounds"
        width = self._width(remaining)
        if rounds_done >= least and width <= self.limits.precision:
            known = f"ratios to the best to within {width:.0%}"
            return f"precision reached after {rounds_done} rounds: {known}"
        if elapsed_s >= self.limits.max_time:
            state = "not known yet" if math.isinf(width) else f"known to within {width:.0%}"
            return f"time is over after {rounds_done} rounds: ratios to the best are {state}"
        return None

    def _why_over_with_one_split(
        self, rounds_done: int, elapsed_s: float, *, any_measured: bool
    ) -> str | None:
        """Why it is over where there is nothing to compare with."""
        if rounds_done >= self.limits.least:
            reason = "there was one split only, so none to compare it with"
            return (
                f"{counted(rounds_done, 'round')}: {reason}"
                if any_measured
                else "no cell could be measured"
            )
        if elapsed_s >= self.limits.max_time:
            return f"time is over after {counted(rounds_done, 'round')} of one split only"
        return None

    def _width(self, evaluations: Sequence[Evaluation]) -> float:
        """The widest half interval of a ratio to the best."""
        leader, *others = evaluations
        spreads = [ratio_to(evaluation, leader) for evaluation in others]
        return max(
            (math.inf if s is None else relative_half_width(s) for s in spreads), default=0.0
        )


def evaluation(
    layout: PoolLayout, cells: Sequence[Cell], seconds: Sequence[Second], slos: Sequence[Slo]
) -> Evaluation | None:
    """What the cells of a layout say; None before there is one."""
    own = [cell for cell in cells if cell.variant == layout.name and cell.void is None]
    if not own:
        return None
    return Evaluation(layout, dict(_works(own, seconds)), slos)


def _works(own: Sequence[Cell], seconds: Sequence[Second]) -> Iterator[tuple[str, MeasuredWork]]:
    for kind in (FAST, SLOW):
        by_round: Mapping[int, Cell] = {c.round: c for c in own if c.streams[kind].intended}
        if by_round:
            cells = list(by_round.values())
            yield kind, MeasuredWork(kind, cells, completed_in_window(kind, cells, seconds))
