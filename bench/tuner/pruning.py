"""When a division is given up, and when two cannot be told apart: whole rounds, in pairs.

Both met in the same rounds, so what is resampled is rounds, and what is compared is the logarithm
of the ratio of two figures (`bench.figures.stats`). A division is given up from four common rounds
on, and only where its being worse is sure at 1 %, corrected for all that are compared in that round
(Holm).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bench.figures.slo import Slo
from bench.figures.stats import MIN_ROUNDS, Sampled, Spread, holm, paired_spread, spread_from
from bench.figures.summary import PER_MILLE, RESPONSE
from bench.tuner.observed import Observed
from bench.tuner.standing import ALIKE, Judged, Standing

LEAST = 4
"""Common rounds before anything is given up."""

SURE = 0.01
TIE = 0.05


def pruned(standings: Sequence[Standing]) -> dict[str, str]:
    """Which of these are clearly worse than the first of them, by name, and why."""
    leader, *others = standings
    reasons = {one.division.name: worse(one, leader) for one in others}
    known = {name: found for name, found in reasons.items() if found is not None}
    corrected = holm([p for p, _ in known.values()])
    return {
        name: why for (name, (_, why)), p in zip(known.items(), corrected, strict=True) if p < SURE
    }


def worse(one: Standing, leader: Standing) -> tuple[float, str] | None:
    """How sure it is that `one` is worse than the leader (a p-value), and in what; or None."""
    found = [_broken(one, leader), _does_less(one, leader), _slower(one, leader)]
    told = [each for each in found if each is not None]
    if not told:
        return None
    surest = min(told)
    return surest[0], next((why for p, why in told if p < SURE), surest[1])


def _broken(one: Standing, leader: Standing) -> tuple[float, str] | None:
    """An objective that the leader holds is broken."""
    judged = one.tightest
    sampled = figure(judged.slo, one, judged.kind)
    if judged.holds or not leader.holds or sampled is None:
        return None
    spread = spread_from(sampled, judged.slo.limit, LEAST)
    return _told(spread, f"breaks {judged.slo}")


def _does_less(one: Standing, leader: Standing) -> tuple[float, str] | None:
    """Less slow work gets done, while the leader holds."""
    ours, theirs = one.done.estimate, leader.done.estimate
    if not leader.holds or ours >= theirs * (1 - ALIKE):
        return None
    spread = paired_spread(_rate(one), _rate(leader), LEAST)
    return _told(spread, f"gets {1 - ours / theirs:.0%} less slow work done")


def _slower(one: Standing, leader: Standing) -> tuple[float, str] | None:
    """Worse in the objective that is tightest, and no more slow work done."""
    if one.done.estimate > leader.done.estimate * (1 + ALIKE) and leader.holds is one.holds:
        return None
    spread = against(one, leader, LEAST)
    if spread is None or not _is_worse(spread, one.tightest):
        return None
    times = math.exp(abs(spread.log_ratio))
    return _told(spread, f"{one.tightest.slo}: {times:.2g} times the best")


def against(one: Standing, leader: Standing, least: int = MIN_ROUNDS) -> Spread | None:
    """The ratio of both in the objective that is tightest for `one`; None: too few rounds."""
    judged = one.tightest
    mine, theirs = (figure(judged.slo, each, judged.kind) for each in (one, leader))
    if mine is None or theirs is None:
        return None
    return paired_spread(mine, theirs, least)


def ties(standings: Sequence[Standing]) -> list[str]:
    """Which of these cannot be told from the first: in no figure at 5 %, Holm-corrected."""
    leader, *others = standings
    found = {one.division.name: _differs(one, leader) for one in others}
    corrected = holm(list(found.values()))
    return [name for name, p in zip(found, corrected, strict=True) if p >= TIE]


def _differs(one: Standing, leader: Standing) -> float:
    if one.holds is not leader.holds:
        broken = leader if one.holds else one
        return 0.0 if broken.tightest.sure else 1.0
    rates = paired_spread(_rate(one), _rate(leader))
    apart = (
        abs(one.done.estimate / leader.done.estimate - 1) > ALIKE if leader.done.estimate else False
    )
    spreads = [against(one, leader), rates if apart else None]
    return min((each.p_value for each in spreads if each is not None), default=1.0)


def figure(slo: Slo, standing: Standing, kind: str) -> Sampled | None:
    """What an objective asks for, by round; None for the share of failures."""
    work = standing.works[kind]
    assert isinstance(work, Observed)
    if slo.measure == "throughput":
        return work.rate
    if slo.measure == "failures":
        return None
    per_mille = 1000 if slo.measure == "max" else PER_MILLE[slo.measure]
    return work.times(per_mille, slo.operation, slo.latency or RESPONSE)


def _rate(standing: Standing) -> Sampled:
    work: Mapping[str, object] = standing.works
    slow = work.get("slow") or work["fast"]
    assert isinstance(slow, Observed)
    return slow.rate


def _is_worse(spread: Spread, judged: Judged) -> bool:
    return spread.log_ratio < 0 if judged.slo.at_least else spread.log_ratio > 0


def _told(spread: Spread | None, why: str) -> tuple[float, str] | None:
    return None if spread is None else (spread.p_value, why)
