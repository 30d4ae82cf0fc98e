"""Divisions tried under one load, in shuffled rounds, until it is known which is best."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Protocol

from bench.disk import results, streams
from bench.disk.results import Cell
from bench.disk.streams import Second
from bench.figures.precision import half_width
from bench.figures.slo import Slo
from bench.figures.stats import MIN_ROUNDS
from bench.figures.wording import counted
from bench.tuner.division import FAST, SLOW, Division
from bench.tuner.observed import Observed, done
from bench.tuner.pruning import LEAST, against, pruned
from bench.tuner.standing import Standing, ranked


class Measure(Protocol):
    """Brings a division into force, measures one cell of it in a round, puts that on disk."""

    def __call__(self, division: Division, number: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """When to end: a precision (share of 1) of the ratio to the best, seconds, rounds."""

    precision: float = 0.1
    max_time: float = 600.0
    rounds: int = 60
    least: int = MIN_ROUNDS


@dataclass(slots=True)
class Trials:
    """All that is tried; `given_up` says of those that no longer are why, and after which round."""

    divisions: Sequence[Division]
    slos: Sequence[Slo]
    folder: Path
    limits: Limits
    seed: int = 1
    note: Callable[[str], None] = print
    given_up: dict[str, str] = field(default_factory=dict)
    ended: str = ""

    def run(self, measure: Measure, more: Callable[[int, int], None] = lambda *_: None) -> None:
        """Measure round after round; `more` hears a round's number, and how many cells it has."""
        began = monotonic()
        for number in range(1, self.limits.rounds + 1):
            alive = self.alive
            more(number, len(alive))
            random.Random(f"{self.seed}:{number}").shuffle(alive)
            for division in alive:
                measure(division, number)
            self._prune(number)
            self.ended = self._over(number, monotonic() - began) or ""
            if self.ended:
                return
        self.ended = f"{counted(self.limits.rounds, 'round')}, as many as were allowed"

    @property
    def alive(self) -> list[Division]:
        """Those that are not given up."""
        return [each for each in self.divisions if each.name not in self.given_up]

    def standings(self) -> list[Standing]:
        """All that was measured, best first; those that were given up last."""
        run, damaged = results.load(self.folder), list[str]()
        seconds = list(streams.series(self.folder, damaged))
        found = [s for d in self.divisions if (s := standing(d, run.cells, seconds, self.slos))]
        order = ranked(found)
        return sorted(order, key=lambda each: each.division.name in self.given_up)

    def _contenders(self) -> list[Standing]:
        return [one for one in self.standings() if one.division.name not in self.given_up]

    def _prune(self, number: int) -> None:
        if number < LEAST:
            return
        some = self._contenders()
        for name, why in pruned(some).items() if len(some) > 1 else ():
            self.given_up[name] = f"after round {number}: {why}"
            self.note(f"given up {self.given_up[name].replace(':', f': {name}', 1)}")

    def _over(self, number: int, seconds: float) -> str | None:
        some, least = self._contenders(), self.limits.least
        if len(self.divisions) == 1:
            return self._alone(number, seconds, measured=bool(some))
        if not some:
            return "no cell could be measured" if number >= least else None
        if len(some) == 1 and number >= least:
            return f"all others were given up, after {number} rounds"
        width = self._width(some)
        if number >= least and width <= self.limits.precision:
            return (
                f"precision reached after {number} rounds: ratios to the best to within {width:.0%}"
            )
        if seconds >= self.limits.max_time:
            known = "not known yet" if math.isinf(width) else f"known to within {width:.0%}"
            return f"time is over after {number} rounds: ratios to the best are {known}"
        return None

    def _alone(self, number: int, seconds: float, *, measured: bool) -> str | None:
        """Why it is over where there is nothing to compare with."""
        if number >= self.limits.least:
            only = "there was one split only, so none to compare it with"
            return (
                f"{counted(number, 'round')}: {only}" if measured else "no cell could be measured"
            )
        if seconds >= self.limits.max_time:
            return f"time is over after {counted(number, 'round')} of one split only"
        return None

    def _width(self, some: Sequence[Standing]) -> float:
        """The widest half interval of a ratio to the best."""
        leader, *others = some
        spreads = [against(one, leader) for one in others]
        return max((math.inf if s is None else half_width(s) for s in spreads), default=0.0)


def standing(
    division: Division, cells: Sequence[Cell], seconds: Sequence[Second], slos: Sequence[Slo]
) -> Standing | None:
    """What the cells of a division say; None before there is one."""
    own = [cell for cell in cells if cell.variant == division.name and cell.void is None]
    if not own:
        return None
    return Standing(division, dict(_works(own, seconds)), slos)


def _works(own: Sequence[Cell], seconds: Sequence[Second]) -> Iterator[tuple[str, Observed]]:
    for kind in (FAST, SLOW):
        some: Mapping[int, Cell] = {c.round: c for c in own if c.streams[kind].intended}
        if some:
            cells = list(some.values())
            yield kind, Observed(kind, cells, done(kind, cells, seconds))
