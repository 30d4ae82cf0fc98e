"""The answer of the planner: in a terminal, and as JSON for programs.

Times are in microseconds; a time without end is null.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from windtunnel.analysis.stats import IntervalEstimate
from windtunnel.analysis.wording import counted, number
from windtunnel.recording.tuning_results import ModelError
from windtunnel.tuning.distributions import Constant, Duration, Exponential
from windtunnel.tuning.objectives import P99, Evaluation, JudgedObjective
from windtunnel.tuning.planner import PlanResult
from windtunnel.tuning.system_model import Work

MAX_LEFT_OUT = 4
"""Splits left out that are named."""

NEVER_CHECKED = (
    "The model was never checked here: windtunnel tune measures splits beside what it says."
)


def show(planned: PlanResult, source: str, checked: str, console: Console) -> None:
    """Print the answer, what it rests on, and everything that was tried."""
    for line in lines(planned):
        console.print(line, markup=False, soft_wrap=True)
    console.print(f"For {traffic_line(planned)}; {source}.", markup=False, soft_wrap=True)
    console.print(checked, markup=False, soft_wrap=True)
    if planned.evaluations:
        console.print()
        console.print(_table(planned.evaluations))
    for line in left_out(planned):
        console.print(line, style="dim", markup=False)


def lines(planned: PlanResult) -> Iterator[str]:
    """The answer in words: the split, the next best, the margins."""
    best, following = planned.best, planned.next_best
    if best is None:
        yield f"No split holds the objectives: {'; '.join(planned.why_infeasible)}."
    else:
        yield f"Split: {evaluation_line(best)}"
    if following is not None:
        yield f"{'Nearest' if best is None else 'Next best'}: {evaluation_line(following)}"
    for kind, count in planned.too_few.items() if planned.evaluations else ():
        requests = counted(planned.requests[kind], "request")
        yield (
            f"Doubtful: about {requests} of {kind} work were simulated, "
            f"and its quantiles take {count:,}: too much of the other kind comes beside it."
        )


def left_out(planned: PlanResult) -> Iterator[str]:
    """The last few that cannot keep up, and how many others there are."""
    overloaded = list(planned.overloaded.items())
    for name, why in overloaded[-MAX_LEFT_OUT:]:
        yield f"left out: {name}: {why}"
    if len(overloaded) > MAX_LEFT_OUT:
        rest = counted(len(overloaded) - MAX_LEFT_OUT, "split")
        yield f"left out besides: {rest} (--json has all)"


def evaluation_line(evaluation: Evaluation) -> str:
    """A layout, its tightest objective, its slow work."""
    return f"{evaluation.layout.description}: {'; '.join(map(objective_line, evaluation.judged))}"


def objective_line(objective: JudgedObjective) -> str:
    """An objective's figure, and by how much it holds or is broken."""
    value = figure_with_unit(objective.slo.measure, objective.figure)
    verdict = "holds" if objective.holds else "broken"
    doubt = "" if objective.sure else ", though its interval reaches across the limit"
    margin = margin_line(objective.margin)
    return f"{objective.slo}, {objective.kind} work: {value}, {verdict}, {margin}{doubt}"


def margin_line(margin: float) -> str:
    """How many times better or worse than the limit."""
    if math.isinf(margin):
        return "by any margin"
    return f"{margin:.3g}x better" if margin >= 1 else f"{1 / margin if margin else 0:.3g}x worse"


def figure_with_unit(measure: str, figure: IntervalEstimate) -> str:
    """A figure with its unit and its interval."""
    if measure == "throughput":
        return f"{rate(figure.estimate)}/s"
    if measure == "failures":
        return f"{figure.estimate:.2%}"
    return latency_text(figure)


def latency_text(figure_us: IntervalEstimate) -> str:
    """A time in ms, with its interval; infinite is never."""
    if not math.isfinite(figure_us.estimate):
        return "never answered"
    value = f"{number(figure_us.estimate / 1000)} ms"
    if figure_us.low is None or figure_us.high is None:
        return value
    return f"{value} [{number(figure_us.low / 1000)}, {number(figure_us.high / 1000)}]"


def rate(value: float) -> str:
    """Requests a second, to three digits."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def traffic_line(planned: PlanResult) -> str:
    """The traffic that was planned for."""
    traffic = planned.traffic
    cores = "as many cores as processes" if traffic.cores is None else f"{traffic.cores:g} cores"
    return f"{_work(traffic.fast)}, {_work(traffic.slow)}, {cores}"


def _work(work: Work) -> str:
    arrivals = "at random" if work.poisson else "evenly spaced"
    waits = "" if work.cpu == 1 else f", {work.cpu:.0%} of it computing"
    return f"{work.name} {rate(work.rate)}/s {arrivals}, {duration(work.service)} each{waits}"


def duration(service: Duration) -> str:
    """A service time in words."""
    value = f"{number(service.mean * 1000)} ms"
    if isinstance(service, Constant):
        return value
    return f"{value} on average{', exponential' if isinstance(service, Exponential) else ''}"


def model_error_line(error: ModelError | None, where: str) -> str:
    """The model's error on what was measured."""
    if error is None:
        return NEVER_CHECKED
    splits = counted(error.splits, "measured split")
    return (
        f"The model's error on {splits} ({where}): fast p99 off by {error.median:.0%} (median), "
        f"{error.worst:.0%} at worst."
    )


def _table(evaluations: Sequence[Evaluation]) -> Table:
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("split", "processes", "fast p99", "slow p99", "slow done/s", "objectives"):
        grid.add_column(name, justify="left" if name in {"split", "objectives"} else "right")
    for evaluation in evaluations:
        slow = evaluation.works.get("slow")
        grid.add_row(
            escape(evaluation.layout.name),
            str(evaluation.layout.processes),
            escape(latency_text(evaluation.fast_p99)),
            escape(latency_text(slow.quantile(P99))) if slow else "",
            rate(evaluation.throughput.estimate),
            f"{'hold' if evaluation.holds else 'broken'}, {margin_line(evaluation.margin)}",
            style=None if evaluation.holds else "dim",
        )
    return grid


class PlannedWork(msgspec.Struct, frozen=True):
    """One kind of work: requests a second, mean seconds that each holds its process."""

    rate: float
    service_s: float
    cpu: float
    poisson: bool


class PlannedObjective(msgspec.Struct, frozen=True):
    """`value` in the unit of the measure: us, requests a second, a share; below margin 1 broken."""

    slo: str
    kind: str
    value: IntervalEstimate
    holds: bool
    margin: float


class PlannedSplit(msgspec.Struct, frozen=True):
    """A split with what the model says of it; `settings` is for `windtunnel split set`."""

    split: str
    processes: int
    settings: Mapping[str, str]
    holds: bool
    objectives: Sequence[PlannedObjective]
    fast_p99_us: IntervalEstimate
    slow_p99_us: IntervalEstimate | None
    slow_done_per_s: IntervalEstimate


class PlanAnswer(msgspec.Struct, frozen=True):
    """Every split that was tried, the best first; `left_out` cannot keep up, and why.

    `bounds` says why none holds the objectives; `requests` how many stand behind the figures.
    """

    fast: PlannedWork
    slow: PlannedWork
    cores: float | None
    source: str
    error: ModelError | None
    splits: Sequence[PlannedSplit]
    left_out: Mapping[str, str]
    bounds: Sequence[str]
    requests: Mapping[str, int]


def as_json(planned: PlanResult, source: str, error: ModelError | None) -> bytes:
    """Return an `PlanAnswer` as JSON."""
    traffic = planned.traffic
    answer = PlanAnswer(
        _work_row(traffic.fast),
        _work_row(traffic.slow),
        traffic.cores,
        source,
        error,
        [_split(evaluation) for evaluation in planned.evaluations],
        planned.overloaded,
        planned.why_infeasible,
        planned.requests,
    )
    return msgspec.json.format(msgspec.json.encode(answer), indent=2)


def _work_row(work: Work) -> PlannedWork:
    return PlannedWork(work.rate, work.service.mean, work.cpu, work.poisson)


def _split(evaluation: Evaluation) -> PlannedSplit:
    slow = evaluation.works.get("slow")
    layout = evaluation.layout
    return PlannedSplit(
        layout.name,
        layout.processes,
        layout.settings,
        evaluation.holds,
        [_objective(objective) for objective in evaluation.judged],
        evaluation.fast_p99,
        slow.quantile(P99) if slow else None,
        evaluation.throughput,
    )


def _objective(objective: JudgedObjective) -> PlannedObjective:
    return PlannedObjective(
        str(objective.slo), objective.kind, objective.figure, objective.holds, objective.margin
    )
