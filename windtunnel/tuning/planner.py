"""Which sizes hold objectives, by the model alone: for machines that one does not have."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from windtunnel.analysis.slo import Slo
from windtunnel.analysis.summary import PER_MILLE
from windtunnel.analysis.wording import number
from windtunnel.tuning.forecast import Length, forecast
from windtunnel.tuning.layout import FAST, PROCESSES, SLOW, PoolLayout, pool_layouts
from windtunnel.tuning.objectives import P99, Evaluation, kinds, ranked
from windtunnel.tuning.system_model import Traffic, Work, offered_load

# What no split can keep, however the processes are divided: service times, cores, processes.


FULL = 0.98
"""What is busier than that is taken for what cannot keep up."""

DRAWS = 10_000


def bounds(traffic: Traffic, slos: Sequence[Slo], most: int) -> list[str]:
    """Why none of `most` processes or fewer holds the objectives: one reason or more, in words."""
    works = {work.name: work for work in (traffic.fast, traffic.slow)}
    found = [
        why
        for slo in slos
        for kind in kinds(slo)
        if kind in works and (why := _by_itself(slo, works[kind]))
    ]
    found += _too_few(traffic, most)
    return found or [_untried(traffic, most)]


def _by_itself(slo: Slo, work: Work) -> str | None:
    """Why an objective would be broken even if nothing had to wait."""
    if slo.measure == "throughput":
        short = slo.at_least and slo.limit > work.rate
        return f"{slo}: no more than {work.rate:g}/s of {work.name} work come" if short else None
    per_mille = PER_MILLE.get(slo.measure)
    if per_mille is None:
        return None
    least = _alone_us(work, per_mille)
    if slo.is_met_by(least):
        return None
    return (
        f"{slo}: a request of {work.name} work takes {number(least / 1000)} ms ({slo.measure}) "
        "even where nothing waits, so make the work itself shorter"
    )


def _alone_us(work: Work, per_mille: int) -> float:
    """A quantile of what a request takes that waits for nobody."""
    source = random.Random(1)
    drawn = sorted(work.service.draw(source) + work.beside.draw(source) for _ in range(DRAWS))
    return drawn[-(-DRAWS * per_mille // 1000) - 1] * 1e6


def _too_few(traffic: Traffic, most: int) -> Iterator[str]:
    cores, load = traffic.cores, offered_load(traffic.fast) + offered_load(traffic.slow)
    if cores is not None and traffic.computing > FULL * cores:
        yield (
            f"it is {traffic.computing:,.1f} cores of work, and {cores:,g} there: give "
            f"{math.ceil(traffic.computing / FULL):,} cores or more (--cores), or less work"
        )
    needed = math.ceil(load / FULL)
    if needed > PROCESSES:
        yield (
            f"it keeps {needed:,} processes busy, and {PROCESSES} are tried at most: give less work"
        )
    elif needed > most:
        yield f"it keeps {needed} processes busy: give more than {most} (--processes)"


def _untried(traffic: Traffic, most: int) -> str:
    """What may help where there is no bound."""
    scarce = traffic.cores is not None and traffic.cores < most
    more = ["processes (--processes)"] if most < PROCESSES else []
    more += ["cores (--cores)"] if scarce else []
    tried = f"up to {most} processes" + (f" on {traffic.cores:g} cores" if scarce else "")
    if not more:
        return f"{tried} were tried, as many as can be: give less work or another limit"
    return f"{tried} were tried: give more {' or '.join(more)}"


REQUESTS = 30_000
"""Fast requests that a forecast rests on at least, over all of its rounds: 300 beyond p99."""

SLOW_REQUESTS = 2_000
LONGEST = 200.0
"""Seconds of a round at most, but for what `BEYOND` asks for."""

BEYOND = 10
"""Requests behind a quantile: a p99 stands on a thousand of them."""

SPARE = 1.2
"""So many times as many are let come, as arrivals at random are fewer now and then."""

WARMUP = 0.25
"""How long it is, in windows."""

MOST_REQUESTS = 3_000_000
"""Of both kinds, of which no forecast takes more for the sake of the rarer kind."""


@dataclass(frozen=True, slots=True)
class PlanResult:
    """What the model was asked and answers: the best first, and what cannot keep up and why."""

    traffic: Traffic
    slos: Sequence[Slo]
    most: int
    evaluations: list[Evaluation] = field(default_factory=list)
    overloaded: dict[str, str] = field(default_factory=dict)

    @property
    def best(self) -> Evaluation | None:
        """The smallest that holds every objective, if any does."""
        return next((each for each in self.evaluations if each.holds), None)

    @property
    def next_best(self) -> Evaluation | None:
        """The one after it."""
        return next((each for each in self.evaluations if each is not self.best), None)

    @property
    def bounds(self) -> list[str]:
        """Why no split holds the objectives, in words; nothing where one does."""
        return [] if self.best else bounds(self.traffic, self.slos, self.most)

    @property
    def requests(self) -> dict[str, int]:
        """About how many of each kind stand behind its figures."""
        found = length(self.traffic, self.slos)
        works = (self.traffic.fast, self.traffic.slow)
        return {work.name: round(work.rate * found.duration * found.rounds) for work in works}

    @property
    def too_few(self) -> dict[str, int]:
        """The kinds of which fewer come than their quantiles take, and how many those are."""
        came = self.requests
        return {
            kind: count
            for kind in (FAST, SLOW)
            if 0 < came[kind] < (count := enough(self.slos, kind))
        }


def plan(
    traffic: Traffic, slos: Sequence[Slo], *, most: int, balances: Sequence[str], seed: int = 1
) -> PlanResult:
    """Try sizes from the smallest on until some hold, then one process more, `most` at most."""
    planned = PlanResult(traffic, slos, most)
    found: int | None = None
    for processes in range(1, most + 1):
        if found is not None and processes > found + 1:
            break
        tried = list(_of_size(processes, planned, balances, seed))
        planned.evaluations.extend(tried)
        if found is None and any(each.holds for each in tried):
            found = processes
    planned.evaluations[:] = _in_order(planned.evaluations)
    return planned


def _of_size(
    processes: int, planned: PlanResult, balances: Sequence[str], seed: int
) -> Iterator[Evaluation]:
    for layout in pool_layouts(processes, balances):
        why = overloaded(layout, planned.traffic)
        if why is None:
            yield evaluation(layout, planned.traffic, planned.slos, seed)
        else:
            planned.overloaded[layout.name] = why


def evaluation(layout: PoolLayout, traffic: Traffic, slos: Sequence[Slo], seed: int) -> Evaluation:
    """What the model says of a layout in the long run."""
    scene = layout.scene(traffic.fast, traffic.slow, traffic.cores)
    return Evaluation(layout, forecast(scene, length(traffic, slos), seed), slos)


def enough(slos: Sequence[Slo], kind: str) -> int:
    """How many requests a p99 of this kind stands on, or a higher quantile that is asked for."""
    asked = [PER_MILLE.get(slo.measure, 0) for slo in slos if kind in kinds(slo)]
    return -(-BEYOND * 1000 // (1000 - max([P99, *asked])))


def length(traffic: Traffic, slos: Sequence[Slo]) -> Length:
    """Long enough for a p99 of either kind, and for what is asked for."""
    rates = {work.name: work.rate for work in (traffic.fast, traffic.slow) if work.rate}
    rounds = Length(0, 0).rounds
    good = {FAST: REQUESTS, SLOW: SLOW_REQUESTS}
    wanted = max(good[kind] / rate for kind, rate in rates.items()) / rounds
    needed = max(SPARE * enough(slos, kind) / rate for kind, rate in rates.items()) / rounds
    affordable = MOST_REQUESTS / sum(rates.values()) / rounds / (1 + WARMUP)
    duration = max(min(max(wanted, 5.0), LONGEST), min(needed, affordable))
    return Length(warmup=duration * WARMUP, duration=duration)


def overloaded(layout: PoolLayout, traffic: Traffic) -> str | None:
    """Why a layout cannot keep up however long it is given, or None."""
    fast, slow = offered_load(traffic.fast), offered_load(traffic.slow)
    loads = [(FAST, fast, layout.fast), (SLOW, slow, layout.slow)]
    if not layout.slow:
        loads = [("only", fast + slow, layout.fast)]
    for name, load, processes in loads:
        if load > FULL * processes:
            return f"the {name} pool would be {load / processes:.0%} busy"
    if traffic.cores is not None and traffic.computing > FULL * traffic.cores:
        return f"{traffic.computing:.1f} cores of work, and {traffic.cores:g} there"
    return None


def _in_order(evaluations: list[Evaluation]) -> list[Evaluation]:
    """Those that hold, the smallest first; then the rest by how near they are."""
    order = {id(each): place for place, each in enumerate(ranked(evaluations))}

    def key(each: Evaluation) -> tuple[bool, int, int]:
        return not each.holds, each.layout.processes if each.holds else 0, order[id(each)]

    return sorted(evaluations, key=key)
