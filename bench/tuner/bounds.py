"""What no split can keep, however the processes are divided: service times, cores, processes."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

from bench.figures.slo import Slo
from bench.figures.summary import PER_MILLE
from bench.figures.wording import number
from bench.model.scene import Work
from bench.model.traffic import Traffic, occupied
from bench.tuner.division import PROCESSES
from bench.tuner.standing import kinds

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
    if slo.held_by(least):
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
    cores, load = traffic.cores, occupied(traffic.fast) + occupied(traffic.slow)
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
