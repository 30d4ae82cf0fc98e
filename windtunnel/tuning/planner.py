"""Which sizes hold objectives, by the model alone: for machines that one does not have."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from windtunnel.analysis.slo import Slo
from windtunnel.analysis.wording import number
from windtunnel.recording.histogram import QUANTILES, nearest_rank, samples_needed
from windtunnel.tuning.forecast import Length, forecast
from windtunnel.tuning.layout import FAST, PROCESSES, SLOW, PoolLayout, pool_layouts
from windtunnel.tuning.objectives import P99, Evaluation, kinds, ranked
from windtunnel.tuning.system_model import Traffic, Work, offered_load

REQUESTS = 30_000
"""Fast requests that a forecast rests on at least, over all of its rounds: 300 beyond p99."""

SLOW_REQUESTS = 2_000
LONGEST = 200.0
"""Seconds of a round at most, but for what the samples of a quantile take."""

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
        return next((evaluation for evaluation in self.evaluations if evaluation.holds), None)

    @property
    def next_best(self) -> Evaluation | None:
        """The one after it."""
        return next(
            (evaluation for evaluation in self.evaluations if evaluation is not self.best), None
        )

    @property
    def why_infeasible(self) -> list[str]:
        """Why no split holds the objectives, in words; nothing where one does."""
        return [] if self.best else why_infeasible(self.traffic, self.slos, self.most)

    @property
    def requests(self) -> dict[str, int]:
        """About how many of each kind stand behind its figures."""
        run_length = length(self.traffic, self.slos)
        works = (self.traffic.fast, self.traffic.slow)
        return {
            work.name: round(work.rate * run_length.duration * run_length.rounds) for work in works
        }

    @property
    def too_few(self) -> dict[str, int]:
        """The kinds of which fewer come than their quantiles take, and how many those are."""
        counts = self.requests
        return {
            kind: count
            for kind in (FAST, SLOW)
            if 0 < counts[kind] < (count := enough(self.slos, kind))
        }


def plan(
    traffic: Traffic, slos: Sequence[Slo], *, most: int, balances: Sequence[str], seed: int = 1
) -> PlanResult:
    """Try sizes from the smallest on until some hold, then one process more, `most` at most."""
    planned = PlanResult(traffic, slos, most)
    smallest: int | None = None
    for processes in range(1, most + 1):
        if smallest is not None and processes > smallest + 1:
            break
        evaluations = list(_of_size(processes, planned, balances, seed))
        planned.evaluations.extend(evaluations)
        if smallest is None and any(evaluation.holds for evaluation in evaluations):
            smallest = processes
    planned.evaluations[:] = _in_order(planned.evaluations)
    return planned


def _of_size(
    processes: int, planned: PlanResult, balances: Sequence[str], seed: int
) -> Iterator[Evaluation]:
    for layout in pool_layouts(processes, balances):
        reason = overloaded(layout, planned.traffic)
        if reason is None:
            yield evaluation(layout, planned.traffic, planned.slos, seed)
        else:
            planned.overloaded[layout.name] = reason


def evaluation(layout: PoolLayout, traffic: Traffic, slos: Sequence[Slo], seed: int) -> Evaluation:
    """What the model says of a layout in the long run."""
    model = layout.system_model(traffic.fast, traffic.slow, traffic.cores)
    return Evaluation(layout, forecast(model, length(traffic, slos), seed), slos)


def enough(slos: Sequence[Slo], kind: str) -> int:
    """How many requests a p99 of this kind stands on, or a higher quantile that is asked for."""
    quantiles = [QUANTILES.get(slo.measure, 0.0) for slo in slos if kind in kinds(slo)]
    return samples_needed(max([P99, *quantiles]))


def length(traffic: Traffic, slos: Sequence[Slo]) -> Length:
    """Long enough for a p99 of either kind, and for what is asked for."""
    rates = {work.name: work.rate for work in (traffic.fast, traffic.slow) if work.rate}
    rounds = Length(0, 0).rounds
    preferred = {FAST: REQUESTS, SLOW: SLOW_REQUESTS}
    preferred_s = max(preferred[kind] / rate for kind, rate in rates.items()) / rounds
    required_s = max(SPARE * enough(slos, kind) / rate for kind, rate in rates.items()) / rounds
    affordable_s = MOST_REQUESTS / sum(rates.values()) / rounds / (1 + WARMUP)
    duration = max(min(max(preferred_s, 5.0), LONGEST), min(required_s, affordable_s))
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
    order = {id(evaluation): rank for rank, evaluation in enumerate(ranked(evaluations))}

    def key(evaluation: Evaluation) -> tuple[bool, int, int]:
        return (
            not evaluation.holds,
            evaluation.layout.processes if evaluation.holds else 0,
            order[id(evaluation)],
        )

    return sorted(evaluations, key=key)


FULL = 0.98
"""What is busier than that is taken for what cannot keep up."""

DRAWS = 10_000


def why_infeasible(traffic: Traffic, slos: Sequence[Slo], most: int) -> list[str]:
    """Why none of `most` processes or fewer holds the objectives: one reason or more, in words."""
    works = {work.name: work for work in (traffic.fast, traffic.slow)}
    reasons = [
        reason
        for slo in slos
        for kind in kinds(slo)
        if kind in works and (reason := _by_itself(slo, works[kind]))
    ]
    reasons += _too_few(traffic, most)
    return reasons or [_untried(traffic, most)]


def _by_itself(slo: Slo, work: Work) -> str | None:
    """Why an objective would be broken even if nothing had to wait."""
    if slo.measure == "throughput":
        unreachable = slo.at_least and slo.limit > work.rate
        return (
            f"{slo}: no more than {work.rate:g}/s of {work.name} work come" if unreachable else None
        )
    q = QUANTILES.get(slo.measure)
    if q is None:
        return None
    alone_us = _alone_us(work, q)
    if slo.is_met_by(alone_us):
        return None
    return (
        f"{slo}: a request of {work.name} work takes {number(alone_us / 1000)} ms ({slo.measure}) "
        "even where nothing waits, so make the work itself shorter"
    )


def _alone_us(work: Work, q: float) -> float:
    """A quantile of what a request takes that waits for nobody."""
    source = random.Random(1)
    times = sorted(work.service.draw(source) + work.beside.draw(source) for _ in range(DRAWS))
    return times[nearest_rank(DRAWS, q) - 1] * 1e6


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
    scope = f"up to {most} processes" + (f" on {traffic.cores:g} cores" if scarce else "")
    if not more:
        return f"{scope} were tried, as many as can be: give less work or another limit"
    return f"{scope} were tried: give more {' or '.join(more)}"
