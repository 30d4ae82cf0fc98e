"""Why no split can hold the objectives, however the processes are divided: service times, cores,
processes."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

from windtunnel.analysis.slo import Slo
from windtunnel.analysis.wording import number
from windtunnel.recording.histogram import QUANTILES, nearest_rank
from windtunnel.tuning.layout import PROCESSES
from windtunnel.tuning.objectives import kinds
from windtunnel.tuning.system_model import Traffic, Work, offered_load

FULL = 0.98
"""What is busier than that is taken for what cannot keep up."""

DRAWS = 10_000


def bounds(traffic: Traffic, slos: Sequence[Slo], most: int) -> list[str]:
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
