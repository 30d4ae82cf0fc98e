"""Which sizes hold objectives, by the model alone: for machines that one does not have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.figures.slo import Slo
from bench.model.traffic import Traffic, occupied
from bench.tuner.division import FAST, SLOW, Division, divisions
from bench.tuner.forecast import Length, forecast
from bench.tuner.standing import Standing, ranked

REQUESTS = 30_000
"""Fast requests that a forecast rests on at least, over all of its rounds: 300 beyond p99."""

SLOW_REQUESTS = 2_000
LONGEST = 200.0
"""Seconds of a round at most."""

FULL = 0.98
"""A pool that is busier than that is taken for one that cannot keep up."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What the model was asked and answers: the best first, and what cannot keep up and why."""

    traffic: Traffic
    slos: Sequence[Slo]
    standings: list[Standing] = field(default_factory=list)
    hopeless: dict[str, str] = field(default_factory=dict)

    @property
    def best(self) -> Standing | None:
        """The smallest that holds every objective, if any does."""
        return next((each for each in self.standings if each.holds), None)

    @property
    def next_best(self) -> Standing | None:
        """The one after it."""
        return next((each for each in self.standings if each is not self.best), None)


def plan(
    traffic: Traffic, slos: Sequence[Slo], *, most: int, balances: Sequence[str], seed: int = 1
) -> Planned:
    """Try sizes from the smallest on until some hold, then one process more, `most` at most."""
    planned = Planned(traffic, slos)
    found: int | None = None
    for processes in range(1, most + 1):
        if found is not None and processes > found + 1:
            break
        tried = list(_of_size(processes, planned, balances, seed))
        planned.standings.extend(tried)
        if found is None and any(each.holds for each in tried):
            found = processes
    planned.standings[:] = _in_order(planned.standings)
    return planned


def _of_size(
    processes: int, planned: Planned, balances: Sequence[str], seed: int
) -> Iterator[Standing]:
    for division in divisions(processes, balances):
        why = hopeless(division, planned.traffic)
        if why is None:
            yield standing(division, planned.traffic, planned.slos, seed)
        else:
            planned.hopeless[division.name] = why


def standing(division: Division, traffic: Traffic, slos: Sequence[Slo], seed: int) -> Standing:
    """What the model says of a division in the long run."""
    scene = division.scene(traffic.fast, traffic.slow, traffic.cores)
    return Standing(division, forecast(scene, length(traffic), seed), slos)


def length(traffic: Traffic) -> Length:
    """Long enough for a p99 of either kind."""
    wanted = [(traffic.fast.rate, REQUESTS), (traffic.slow.rate, SLOW_REQUESTS)]
    seconds = max(requests / rate for rate, requests in wanted if rate) / Length(0, 0).rounds
    duration = min(max(seconds, 5.0), LONGEST)
    return Length(warmup=duration / 4, duration=duration)


def hopeless(division: Division, traffic: Traffic) -> str | None:
    """Why a division cannot keep up however long it is given, or None."""
    fast, slow = occupied(traffic.fast), occupied(traffic.slow)
    loads = [(FAST, fast, division.fast), (SLOW, slow, division.slow)]
    if not division.slow:
        loads = [("only", fast + slow, division.fast)]
    for name, load, processes in loads:
        if load > FULL * processes:
            return f"the {name} pool would be {load / processes:.0%} busy"
    if traffic.cores is not None and traffic.computing > FULL * traffic.cores:
        return f"{traffic.computing:.1f} cores of work, and {traffic.cores:g} there"
    return None


def _in_order(standings: list[Standing]) -> list[Standing]:
    """Those that hold, the smallest first; then the rest by how near they are."""
    order = {id(each): place for place, each in enumerate(ranked(standings))}

    def key(each: Standing) -> tuple[bool, int, int]:
        return not each.holds, each.division.processes if each.holds else 0, order[id(each)]

    return sorted(standings, key=key)
