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
    Bootstrap,
    LogRatio,
    holm,
    log_ratio_to,
    paired_log_ratio,
)
from windtunnel.analysis.summary import PER_MILLE, RESPONSE
from windtunnel.analysis.wording import counted
from windtunnel.recording import results, streams
from windtunnel.recording.results import Cell
from windtunnel.recording.streams import Second
from windtunnel.tuning.layout import FAST, SLOW, PoolLayout
from windtunnel.tuning.measurements import MeasuredWork, done
from windtunnel.tuning.objectives import ALIKE, Evaluation, JudgedObjective, ranked

# When a layout is dropped, and when two cannot be told apart: whole rounds, in pairs.


LEAST = 4
"""Common rounds before anything is dropped."""

SURE = 0.01
TIE = 0.05


def pruned(evaluations: Sequence[Evaluation]) -> dict[str, str]:
    """Which of these are clearly worse than the first of them, by name, and why."""
    leader, *others = evaluations
    reasons = {one.layout.name: worse(one, leader) for one in others}
    known = {name: found for name, found in reasons.items() if found is not None}
    corrected = holm([p for p, _ in known.values()])
    return {
        name: why for (name, (_, why)), p in zip(known.items(), corrected, strict=True) if p < SURE
    }


def worse(one: Evaluation, leader: Evaluation) -> tuple[float, str] | None:
    """How sure it is that `one` is worse than the leader (a p-value), and in what; or None."""
    found = [_broken(one, leader), _does_less(one, leader), _slower(one, leader)]
    told = [each for each in found if each is not None]
    if not told:
        return None
    surest = min(told)
    return surest[0], next((why for p, why in told if p < SURE), surest[1])


def _broken(one: Evaluation, leader: Evaluation) -> tuple[float, str] | None:
    """An objective that the leader holds is broken."""
    judged = one.tightest
    sampled = figure(judged.slo, one, judged.kind)
    if judged.holds or not leader.holds or sampled is None:
        return None
    spread = log_ratio_to(sampled, judged.slo.limit, LEAST)
    return _told(spread, f"breaks {judged.slo}")


def _does_less(one: Evaluation, leader: Evaluation) -> tuple[float, str] | None:
    """Less slow work gets done, while the leader holds."""
    ours, theirs = one.done.estimate, leader.done.estimate
    if not leader.holds or ours >= theirs * (1 - ALIKE):
        return None
    spread = paired_log_ratio(_rate(one), _rate(leader), LEAST)
    return _told(spread, f"gets {1 - ours / theirs:.0%} less slow work done")


def _slower(one: Evaluation, leader: Evaluation) -> tuple[float, str] | None:
    """Worse in the objective that is tightest, and no more slow work done."""
    if one.done.estimate > leader.done.estimate * (1 + ALIKE) and leader.holds is one.holds:
        return None
    spread = against(one, leader, LEAST)
    if spread is None or not _is_worse(spread, one.tightest):
        return None
    times = math.exp(abs(spread.log_ratio))
    return _told(spread, f"{one.tightest.slo}: {times:.2g} times the best")


def against(one: Evaluation, leader: Evaluation, least: int = MIN_ROUNDS) -> LogRatio | None:
    """The ratio of both in the objective that is tightest for `one`; None: too few rounds."""
    judged = one.tightest
    mine, theirs = (figure(judged.slo, each, judged.kind) for each in (one, leader))
    if mine is None or theirs is None:
        return None
    return paired_log_ratio(mine, theirs, least)


def ties(evaluations: Sequence[Evaluation]) -> list[str]:
    """Which of these cannot be told from the first: in no figure at 5 %, Holm-corrected."""
    leader, *others = evaluations
    found = {one.layout.name: _differs(one, leader) for one in others}
    corrected = holm(list(found.values()))
    return [name for name, p in zip(found, corrected, strict=True) if p >= TIE]


def _differs(one: Evaluation, leader: Evaluation) -> float:
    if one.holds is not leader.holds:
        broken = leader if one.holds else one
        return 0.0 if broken.tightest.sure else 1.0
    rates = paired_log_ratio(_rate(one), _rate(leader))
    apart = (
        abs(one.done.estimate / leader.done.estimate - 1) > ALIKE if leader.done.estimate else False
    )
    spreads = [against(one, leader), rates if apart else None]
    return min((each.p_value for each in spreads if each is not None), default=1.0)


def figure(slo: Slo, evaluation: Evaluation, kind: str) -> Bootstrap | None:
    """What an objective asks for, by round; None for the share of failures."""
    work = evaluation.works[kind]
    assert isinstance(work, MeasuredWork)
    if slo.measure == "throughput":
        return work.rate
    if slo.measure == "failures":
        return None
    per_mille = 1000 if slo.measure == "max" else PER_MILLE[slo.measure]
    return work.times(per_mille, slo.operation, slo.latency or RESPONSE)


def _rate(evaluation: Evaluation) -> Bootstrap:
    work: Mapping[str, object] = evaluation.works
    slow = work.get("slow") or work["fast"]
    assert isinstance(slow, MeasuredWork)
    return slow.rate


def _is_worse(spread: LogRatio, judged: JudgedObjective) -> bool:
    return spread.log_ratio < 0 if judged.slo.at_least else spread.log_ratio > 0


def _told(spread: LogRatio | None, why: str) -> tuple[float, str] | None:
    return None if spread is None else (spread.p_value, why)


class Measure(Protocol):
    """Brings a layout into force, measures one cell of it in a round, puts that on disk."""

    def __call__(self, layout: PoolLayout, number: int) -> None: ...


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
        for number in range(1, self.limits.rounds + 1):
            alive = self.alive
            more(number, len(alive))
            random.Random(f"{self.seed}:{number}").shuffle(alive)
            for layout in alive:
                measure(layout, number)
            self._prune(number)
            self.ended = self._over(number, monotonic() - began) or ""
            if self.ended:
                return
        self.ended = f"{counted(self.limits.rounds, 'round')}, as many as were allowed"

    @property
    def alive(self) -> list[PoolLayout]:
        """Those that are not dropped."""
        return [each for each in self.pool_layouts if each.name not in self.dropped]

    def evaluations(self) -> list[Evaluation]:
        """All that was measured, best first; those that were dropped last."""
        run, damaged = results.load(self.folder), list[str]()
        seconds = list(streams.series(self.folder, damaged))
        found = [
            s for d in self.pool_layouts if (s := evaluation(d, run.cells, seconds, self.slos))
        ]
        order = ranked(found)
        return sorted(order, key=lambda each: each.layout.name in self.dropped)

    def _contenders(self) -> list[Evaluation]:
        return [one for one in self.evaluations() if one.layout.name not in self.dropped]

    def _prune(self, number: int) -> None:
        if number < LEAST:
            return
        some = self._contenders()
        for name, why in pruned(some).items() if len(some) > 1 else ():
            self.dropped[name] = f"after round {number}: {why}"
            self.note(f"given up {self.dropped[name].replace(':', f': {name}', 1)}")

    def _over(self, number: int, seconds: float) -> str | None:
        some, least = self._contenders(), self.limits.least
        if len(self.pool_layouts) == 1:
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

    def _width(self, some: Sequence[Evaluation]) -> float:
        """The widest half interval of a ratio to the best."""
        leader, *others = some
        spreads = [against(one, leader) for one in others]
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
        some: Mapping[int, Cell] = {c.round: c for c in own if c.streams[kind].intended}
        if some:
            cells = list(some.values())
            yield kind, MeasuredWork(kind, cells, done(kind, cells, seconds))
