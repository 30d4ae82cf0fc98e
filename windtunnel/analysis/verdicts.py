"""Whether objectives held in a run: for each store, load and operation that they speak of."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from windtunnel.analysis.entries import lost_or_failed, quantile
from windtunnel.analysis.estimators import Quantile
from windtunnel.analysis.grouping import (
    OPERATIONS,
    Measured,
    StoreView,
    View,
    is_mostly_limited,
    is_reference,
    load_of,
    unanswered,
    unlabelled,
    views,
    void_subjects,
)
from windtunnel.analysis.slo import Slo
from windtunnel.analysis.stats import Bootstrap
from windtunnel.analysis.summary import (
    METRICS,
    PAST_DEADLINE,
    RESPONSE,
    SERVICE,
    Compared,
    Comparison,
    Metric,
    Outcome,
    State,
    Verdict,
)
from windtunnel.recording.histogram import QUANTILES
from windtunnel.recording.results import OK, Cell, Run

GENERATOR = "the generator was the limit: the store may be better"


@dataclass(frozen=True, slots=True)
class Found:
    """What an operation got: a figure in the unit of the limit, or why there is none.

    `sure` is what no generator at its limit excuses: failed answers.
    """

    operation: str | None
    value: float | None
    why: str | None = None
    sure: bool = False


def judge(slos: Sequence[Slo], run: Run) -> list[Verdict]:
    """Every verdict on a run; `regression` is left to `judge_regressions`."""
    return judged(slos, views(run.cells, [], run.info.stores), run)


def judged(slos: Sequence[Slo], found: list[View], run: Run) -> list[Verdict]:
    """The same of views of its clean cells that are there already."""
    return [each for slo in slos if slo.measure != "regression" for each in _of(slo, found, run)]


def failed(verdicts: Iterable[Verdict]) -> bool:
    """Whether an objective was broken, or asks for what was not measured: exit code 1."""
    return any(verdict.state is State.FAILS for verdict in verdicts)


def _of(slo: Slo, found: list[View], run: Run) -> list[Verdict]:
    verdicts = [*_on_clean(slo, found), *_on_void(slo, run)]
    return verdicts or [Verdict(slo=str(slo), state=State.FAILS, why=_unmeasured(slo, found))]


def _on_clean(slo: Slo, found: list[View]) -> list[Verdict]:
    return [
        _verdict(slo, view, store, each)
        for view in found
        for store, seen in view.stores.items()
        if slo.applies_to(store) and not (store in view.references and slo.glob is None)
        if not (slo.latency == RESPONSE and not view.load.open)
        for each in _figures(slo, view, seen)
    ]


def _on_void(slo: Slo, run: Run) -> Iterator[Verdict]:
    """A failure for each store and load that it speaks of and that has no clean cell."""
    for cell in void_subjects(run.cells):
        load = load_of(cell)
        if (
            slo.applies_to(cell.subject)
            and not (slo.glob is None and is_reference(cell.subject, run.info.stores))
            and not (slo.latency == RESPONSE and not load.open)
            and not (cell.mix in OPERATIONS and slo.operation not in {None, cell.mix})
        ):
            yield Verdict(
                slo=str(slo),
                store=cell.subject,
                load=load,
                limit=slo.limit,
                state=State.FAILS,
                why=_void(cell),
            )


def _void(cell: Cell) -> str:
    return f"no cell of it could be measured: {cell.void}"


def _unmeasured(slo: Slo, found: list[View]) -> str:
    if slo.latency == RESPONSE and found and not any(view.load.open for view in found):
        return "closed load has no response time: give a --rate"
    seen = {store for view in found for store in view.stores}
    if slo.glob is None and seen and all(seen <= view.references for view in found):
        return unnamed(min(seen))
    return "nothing that was measured matches it"


def unnamed(reference: str) -> str:
    """What to write for an objective on the zero of the scale alone."""
    engine = reference.rpartition(" ")[2].split("/")[0]
    return f"{engine} is the zero of the scale: name it with `on {engine}/*`"


def _figures(slo: Slo, view: View, seen: StoreView) -> Iterator[Found]:
    if slo.measure == "throughput":
        yield Found(slo.operation, _throughput(slo, seen))
        return
    if slo.measure == "failures" and slo.operation is None and slo.pool is None:
        yield _failures(seen)
        return
    for operation in view.operations:
        if operation in seen.operations and _speaks_of(slo, operation):
            yield _figure(slo, view, operation, seen.operations[operation])


def _speaks_of(slo: Slo, label: str) -> bool:
    operation, pool = unlabelled(label)
    return slo.operation in (None, operation) and slo.applies_to_pool(pool)


def _throughput(slo: Slo, seen: StoreView) -> float:
    seconds = sum(cell.seconds for cell in seen.cells) or 1.0
    right = (r for cell in seen.cells for r in cell.operations if r.outcome == OK)
    asked = (r for r in right if slo.operation in (None, r.operation))
    return sum(r.count for r in asked if slo.applies_to_pool(r.pool)) / seconds


def _failures(seen: StoreView) -> Found:
    results = [result for cell in seen.cells for result in cell.operations]
    wrong = sum(r.count for r in results if r.outcome != OK) + sum(map(unanswered, seen.cells))
    right = sum(r.count for r in results if r.outcome == OK)
    return _share(None, wrong, right)


def _share(operation: str | None, wrong: float, right: int) -> Found:
    if not wrong + right:
        return Found(operation, None, "no request was made")
    return Found(operation, wrong / (wrong + right), sure=True)


def _figure(slo: Slo, view: View, operation: str, measured: Measured) -> Found:
    if slo.measure == "failures":
        return _share(operation, lost_or_failed(measured), measured.samples)
    latency = slo.latency or (RESPONSE if view.load.open else SERVICE)
    found = _latency(slo.measure, latency, measured)
    if found != PAST_DEADLINE:
        told = (None, found) if isinstance(found, str) else (found, None)
        return Found(operation, *told)
    answered = replace(measured, unanswered=0.0)
    sure = _latency(slo.measure, latency, answered) == PAST_DEADLINE
    return Found(operation, None, PAST_DEADLINE, sure)


def _latency(measure: str, latency: str, measured: Measured) -> float | str:
    """A latency in microseconds, or why it cannot be told."""
    if measure == "max":
        together = measured.latencies[latency].together
        if lost_or_failed(measured):
            return PAST_DEADLINE
        return together.max or "no answer was measured"
    metric = Metric(label="", unit="ms", q=QUANTILES[measure], latency=latency)
    found = quantile(measured, metric)
    if isinstance(found, str):
        return found
    assert isinstance(found, Quantile)
    return Bootstrap(found).estimate


def _verdict(slo: Slo, view: View, store: str, found: Found) -> Verdict:
    value, why, state = found.value, found.why, State.INCONCLUSIVE
    if value is not None:
        state = State.HOLDS if slo.is_met_by(value) else State.FAILS
    elif why == PAST_DEADLINE:
        state = State.FAILS
    if state is State.FAILS and not found.sure and is_mostly_limited(view.stores[store].cells):
        state, why = State.INCONCLUSIVE, GENERATOR
    return Verdict(
        slo=str(slo),
        store=store,
        operation=found.operation,
        load=view.load,
        found=value,
        limit=slo.limit,
        state=state,
        why=why,
    )


def judge_regressions(
    slos: Sequence[Slo], compared: Compared | None, runs: Sequence[Run]
) -> list[Verdict]:
    """Whether `regression < N%` holds: for every store and operation it speaks of.

    It fails only where a difference is proved and the whole interval lies beyond the limit, and
    where one side has no clean cell of a store. `runs` are those that were compared.
    """
    verdicts = []
    void = {cell.subject: _void(cell) for run in runs for cell in void_subjects(run.cells)}
    for slo in slos:
        if slo.measure != "regression":
            continue
        seen = compared.comparisons if compared is not None else []
        asked = [each for each in seen if slo.applies_to(each.store)]
        why = "nothing that was compared matches it"
        if compared is None:
            why = "a regression takes two variants: run with --against URL, or compare two runs"
        found = [_regression(slo, each) for each in asked]
        lacking = sorted(void.keys() - {one.store for one in asked})
        found += [
            Verdict(slo=str(slo), store=name, limit=slo.limit, state=State.FAILS, why=void[name])
            for name in lacking
            if compared is not None and slo.applies_to(name)
        ]
        verdicts += found or [Verdict(slo=str(slo), state=State.FAILS, why=why)]
    return verdicts


def _regression(slo: Slo, one: Comparison) -> Verdict:
    verdict = Verdict(
        slo=str(slo),
        store=one.store,
        operation=f"{one.operation} {METRICS[one.metric].label}",
        load=one.load,
        limit=slo.limit,
        state=State.INCONCLUSIVE,
        why=one.why,
    )
    if one.ratio is None or one.low is None or one.high is None:
        state = State.FAILS if one.outcome is Outcome.SLOWER else State.INCONCLUSIVE
        return msgspec.structs.replace(verdict, state=state)
    ends = (one.low, one.ratio, one.high)
    if METRICS[one.metric].higher_is_better:
        ends = (1 / one.high, 1 / one.ratio, 1 / one.low)
    state = State.HOLDS if ends[2] < 1 + slo.limit else State.INCONCLUSIVE
    if ends[0] > 1 + slo.limit and one.outcome is Outcome.SLOWER:
        state = State.FAILS
    return msgspec.structs.replace(verdict, found=ends[1] - 1, state=state)
