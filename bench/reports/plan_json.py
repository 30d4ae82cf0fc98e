"""What the planner answers, for programs. Times are in microseconds; a time without end is null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from bench.disk.tuned import Error
from bench.figures.stats import Figure
from bench.model.scene import Work
from bench.tuner.planning import Planned
from bench.tuner.standing import P99, Judged, Standing


class Asked(msgspec.Struct, frozen=True):
    """One kind of work: requests a second, mean seconds that each holds its process."""

    rate: float
    service_s: float
    cpu: float
    poisson: bool


class Objective(msgspec.Struct, frozen=True):
    """`value` in the unit of the measure: us, requests a second, a share; below margin 1 broken."""

    slo: str
    kind: str
    value: Figure
    holds: bool
    margin: float


class Split(msgspec.Struct, frozen=True):
    """A split with what the model says of it; `settings` is for `windtunnel split set`."""

    split: str
    processes: int
    settings: Mapping[str, str]
    holds: bool
    objectives: Sequence[Objective]
    fast_p99_us: Figure
    slow_p99_us: Figure | None
    slow_done_per_s: Figure


class Answer(msgspec.Struct, frozen=True):
    """Every split that was tried, the best first; `left_out` cannot keep up, and why.

    `bounds` says why none holds the objectives; `requests` how many stand behind the figures.
    """

    fast: Asked
    slow: Asked
    cores: float | None
    source: str
    error: Error | None
    splits: Sequence[Split]
    left_out: Mapping[str, str]
    bounds: Sequence[str]
    requests: Mapping[str, int]


def answer(planned: Planned, source: str, error: Error | None) -> bytes:
    """Return an `Answer` as JSON."""
    traffic = planned.traffic
    told = Answer(
        _asked(traffic.fast),
        _asked(traffic.slow),
        traffic.cores,
        source,
        error,
        [_split(each) for each in planned.standings],
        planned.hopeless,
        planned.bounds,
        planned.requests,
    )
    return msgspec.json.format(msgspec.json.encode(told), indent=2)


def _asked(work: Work) -> Asked:
    return Asked(work.rate, work.service.mean, work.cpu, work.poisson)


def _split(standing: Standing) -> Split:
    slow = standing.works.get("slow")
    division = standing.division
    return Split(
        division.name,
        division.processes,
        division.settings,
        standing.holds,
        [_objective(one) for one in standing.judged],
        standing.fast_p99,
        slow.quantile(P99) if slow else None,
        standing.done,
    )


def _objective(one: Judged) -> Objective:
    return Objective(str(one.slo), one.kind, one.figure, one.holds, one.margin)
