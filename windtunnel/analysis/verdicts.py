"""Whether objectives held in a run: for each store, load and operation that they apply to."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from windtunnel.analysis.grouping import (
    Group,
    OperationMeasurements,
    StoreMeasurements,
    group_cells,
    is_reference,
    load_of,
)
from windtunnel.analysis.keys import (
    OPERATIONS,
    OperationKey,
    StoreKey,
    TableLoad,
    has_ranked_variants,
    ledgers_by_key,
    operation_key,
    store_key,
)
from windtunnel.analysis.metrics import METRICS, PAST_DEADLINE, RESPONSE, SERVICE, Metric
from windtunnel.analysis.ranked_entries import latency_quantile
from windtunnel.analysis.slo import Slo
from windtunnel.analysis.stats import Bootstrap
from windtunnel.analysis.summary import Comparison, ComparisonSummary, Outcome, State, Verdict
from windtunnel.analysis.unanswered import unanswered
from windtunnel.analysis.validity import is_mostly_limited, void_configurations
from windtunnel.recording.histogram import QUANTILES
from windtunnel.recording.results import OK, Cell, Run

GENERATOR = "the generator was the limit: the store may be better"


@dataclass(frozen=True, slots=True)
class MeasuredValue:
    """A store's value for an objective, in the unit of its limit, or why there is none.

    `failures_alone` is whether failed answers alone decide it, which no limited generator excuses.
    """

    operation: OperationKey | None
    value: float | None
    why: str | None = None
    failures_alone: bool = False


def judge(slos: Sequence[Slo], run: Run) -> list[Verdict]:
    """Every verdict on a run; `regression` is left to `judge_regressions`."""
    return judge_groups(slos, group_cells(run), run)


def judge_groups(slos: Sequence[Slo], groups: list[Group], run: Run) -> list[Verdict]:
    """Every verdict on a run whose cells are grouped already."""
    return [
        verdict
        for slo in slos
        if slo.measure != "regression"
        for verdict in _verdicts(slo, groups, run)
    ]


def has_failed(verdicts: Iterable[Verdict]) -> bool:
    """Whether an objective failed, or asks for what was not measured: exit code 1."""
    return any(verdict.state is State.FAILS for verdict in verdicts)


def why_unnamed(reference: StoreKey) -> str:
    """Why an objective without a glob applies to no store, where all of them are references."""
    return f"{reference.engine} is the zero of the scale: name it with `on {reference.engine}/*`"


def _verdicts(slo: Slo, groups: list[Group], run: Run) -> list[Verdict]:
    verdicts = [*_clean_verdicts(slo, groups), *_void_verdicts(slo, run)]
    why = _why_unmeasured(slo, groups)
    return verdicts or [Verdict(slo=str(slo), state=State.FAILS, why=why)]


def _clean_verdicts(slo: Slo, groups: list[Group]) -> list[Verdict]:
    return [
        _verdict(slo, group, store, value)
        for group in groups
        if not (slo.latency == RESPONSE and not group.load.open)
        for store, measurements in group.stores.items()
        if slo.applies_to(store) and not (store in group.references and slo.glob is None)
        for value in _values(slo, group, measurements)
    ]


def _void_verdicts(slo: Slo, run: Run) -> Iterator[Verdict]:
    """A failure for each store and load that it applies to and that has no clean cell."""
    by_variant, ledgers = has_ranked_variants(run), ledgers_by_key(run)
    for cell in void_configurations(run.cells):
        load = load_of(cell, by_variant=by_variant)
        store = store_key(cell, by_variant=by_variant)
        if (
            slo.applies_to(store)
            and not (slo.glob is None and is_reference(store, ledgers))
            and not (slo.latency == RESPONSE and not load.open)
            and not (cell.mix in OPERATIONS and slo.operation not in {None, cell.mix})
        ):
            yield _failure(slo, str(store), _why_no_clean_cell(cell), load)


def _failure(slo: Slo, store: str, why: str, load: TableLoad | None = None) -> Verdict:
    return Verdict(
        slo=str(slo), store=store, load=load, limit=slo.limit, state=State.FAILS, why=why
    )


def _why_no_clean_cell(first_cell: Cell) -> str:
    return f"no cell of it could be measured: {first_cell.void}"


def _why_unmeasured(slo: Slo, groups: list[Group]) -> str:
    if slo.latency == RESPONSE and groups and not any(group.load.open for group in groups):
        return "closed load has no response time: give a --rate"
    stores = {store for group in groups for store in group.stores}
    if slo.glob is None and stores and all(stores <= group.references for group in groups):
        return why_unnamed(min(stores))
    return "nothing that was measured matches it"


def _values(slo: Slo, group: Group, store: StoreMeasurements) -> Iterator[MeasuredValue]:
    if slo.measure == "throughput":
        operation = None if slo.operation is None else OperationKey(slo.operation)
        yield MeasuredValue(operation, _throughput(slo, store))
        return
    if slo.measure == "failures" and slo.operation is None and slo.pool is None:
        yield _failures(store)
        return
    for operation in group.operations:
        if operation in store.operations and slo.applies_to_operation(*operation):
            yield _value(slo, group, operation, store.operations[operation])


def _throughput(slo: Slo, store: StoreMeasurements) -> float:
    seconds = sum(cell.seconds for cell in store.cells) or 1.0
    results = (result for cell in store.cells for result in cell.operations)
    count = sum(
        result.count
        for result in results
        if result.outcome == OK and slo.applies_to_operation(*operation_key(result))
    )
    return count / seconds


def _failures(store: StoreMeasurements) -> MeasuredValue:
    results = [result for cell in store.cells for result in cell.operations]
    failed = sum(result.count for result in results if result.outcome != OK)
    answered = sum(result.count for result in results if result.outcome == OK)
    return _share(None, failed + sum(map(unanswered, store.cells)), answered)


def _share(operation: OperationKey | None, failed: float, answered: int) -> MeasuredValue:
    if not failed + answered:
        return MeasuredValue(operation, None, "no request was made")
    return MeasuredValue(operation, failed / (failed + answered), failures_alone=True)


def _value(
    slo: Slo, group: Group, operation: OperationKey, measurements: OperationMeasurements
) -> MeasuredValue:
    if slo.measure == "failures":
        return _share(operation, measurements.unsuccessful, measurements.samples)
    latency = slo.latency or (RESPONSE if group.load.open else SERVICE)
    value = _latency(slo.measure, latency, measurements)
    if value == PAST_DEADLINE:
        answered = replace(measurements, unanswered=0.0)
        failures_alone = _latency(slo.measure, latency, answered) == PAST_DEADLINE
        return MeasuredValue(operation, None, PAST_DEADLINE, failures_alone)
    if isinstance(value, str):
        return MeasuredValue(operation, None, value)
    return MeasuredValue(operation, value)


def _latency(measure: str, latency: str, measurements: OperationMeasurements) -> float | str:
    """A latency in microseconds, or why there is none."""
    if measure == "max":
        histogram = measurements.latencies[latency].merged
        if measurements.unsuccessful:
            return PAST_DEADLINE
        return histogram.max or "no answer was measured"
    metric = Metric(label="", unit="ms", q=QUANTILES[measure], latency=latency)
    quantile = latency_quantile(measurements, metric)
    return quantile if isinstance(quantile, str) else Bootstrap(quantile).estimate


def _verdict(slo: Slo, group: Group, store: StoreKey, measured: MeasuredValue) -> Verdict:
    value, why, state = measured.value, measured.why, State.INCONCLUSIVE
    if value is not None:
        state = State.HOLDS if slo.is_met_by(value) else State.FAILS
    elif why == PAST_DEADLINE:
        state = State.FAILS
    is_excused = not measured.failures_alone and is_mostly_limited(group.stores[store].cells)
    if state is State.FAILS and is_excused:
        state, why = State.INCONCLUSIVE, GENERATOR
    return Verdict(
        slo=str(slo),
        store=str(store),
        operation=None if measured.operation is None else str(measured.operation),
        load=group.load,
        found=value,
        limit=slo.limit,
        state=state,
        why=why,
    )


def judge_regressions(
    slos: Sequence[Slo], compared: ComparisonSummary | None, runs: Sequence[Run]
) -> list[Verdict]:
    """Whether `regression < N%` holds: for every store and operation it applies to.

    It fails only where a difference is proved and the whole interval lies beyond the limit, and
    where one side has no clean cell of a store. `runs` are those that were compared.
    """
    void = {
        store_key(cell, by_variant=False): _why_no_clean_cell(cell)
        for run in runs
        for cell in void_configurations(run.cells)
    }
    return [
        verdict
        for slo in slos
        if slo.measure == "regression"
        for verdict in _regressions(slo, compared, void)
    ]


def _regressions(
    slo: Slo, compared: ComparisonSummary | None, void: dict[StoreKey, str]
) -> list[Verdict]:
    if compared is None:
        why = "a regression takes two variants: run with --against URL, or compare two runs"
        return [Verdict(slo=str(slo), state=State.FAILS, why=why)]
    chosen = [
        comparison
        for comparison in compared.comparisons
        if slo.applies_to(StoreKey(comparison.store))
    ]
    missing = void.keys() - {StoreKey(comparison.store) for comparison in chosen}
    verdicts = [_regression(slo, comparison) for comparison in chosen]
    verdicts += [
        _failure(slo, str(store), void[store]) for store in sorted(missing) if slo.applies_to(store)
    ]
    why = "nothing that was compared matches it"
    return verdicts or [Verdict(slo=str(slo), state=State.FAILS, why=why)]


def _regression(slo: Slo, comparison: Comparison) -> Verdict:
    metric = METRICS[comparison.metric]
    verdict = Verdict(
        slo=str(slo),
        store=comparison.store,
        operation=f"{comparison.operation} {metric.label}",
        load=comparison.load,
        limit=slo.limit,
        state=State.INCONCLUSIVE,
        why=comparison.why,
    )
    is_slower = comparison.outcome is Outcome.SLOWER
    low, ratio, high = comparison.low, comparison.ratio, comparison.high
    if ratio is None or low is None or high is None:
        state = State.FAILS if is_slower else State.INCONCLUSIVE
        return msgspec.structs.replace(verdict, state=state)
    if metric.higher_is_better:
        low, ratio, high = 1 / high, 1 / ratio, 1 / low
    state = State.HOLDS if high < 1 + slo.limit else State.INCONCLUSIVE
    if low > 1 + slo.limit and is_slower:
        state = State.FAILS
    return msgspec.structs.replace(verdict, found=ratio - 1, state=state)
