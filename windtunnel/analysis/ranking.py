"""Groups of stores become ranked tables: the place of each store, and why a store has none."""

from collections import Counter
from collections.abc import Mapping

import msgspec

from windtunnel.analysis.grouping import Group, StoreMeasurements
from windtunnel.analysis.keys import ALONE, OperationKey, StoreKey
from windtunnel.analysis.metrics import METRICS, RESPONSE, SERVICE
from windtunnel.analysis.ranked_entries import TableEntry, operation_entry, overall_entry
from windtunnel.analysis.stats import MIN_ROUNDS, Bootstrap, paired_log_ratio, rank
from windtunnel.analysis.summary import OVERALL, Score, Table, TableRow, stream_subject
from windtunnel.recording.results import Ledger

CLOSED = ["p50", "p99", "p99.9"]
OPEN = [f"{latency}_{name}" for name in CLOSED for latency in (RESPONSE, SERVICE)]
OPEN_OVERALL = [f"geomean_{name}" for name in OPEN[:4]]


def tables(group: Group, title: str, ledgers: Mapping[StoreKey, Ledger]) -> list[Table]:
    """A table overall, where several operations or a mix were measured, and one an operation."""
    by_operation = [
        _operation_table(group, title, operation, ledgers) for operation in group.operations
    ]
    if group.load.beside:
        return [*(_stream_table(group, title, name) for name in group.streams), *by_operation]
    if group.load.mix == ALONE and len(_answered_operations(group)) < 2:
        return by_operation
    return [_overall_table(group, title), *by_operation]


def _operation_table(
    group: Group, title: str, operation: OperationKey, ledgers: Mapping[StoreKey, Ledger]
) -> Table:
    metrics = list(OPEN if group.load.open else CLOSED)
    if group.load.mix == ALONE:
        metrics += [*_bystander(group), "cpu", *([] if group.load.open else ["throughput"])]
    entries = [
        operation_entry(store, measurements.operations[operation], metrics)
        for store, measurements in group.stores.items()
        if operation in measurements.operations
    ]
    entries = [entry for entry in entries if _took_part(entry, operation, ledgers)]
    absent = _unavailable_rows(group, operation, ledgers, {entry.store for entry in entries})
    rows = _ranked_rows(entries, metrics, group.references)
    return _table(group, title, str(operation), metrics, rows + absent)


def _stream_table(group: Group, title: str, stream: str) -> Table:
    """All requests of one stream, with the bystanders of its pool."""
    metrics = [*OPEN, *_bystander(group)]
    entries = [
        operation_entry(store, measurements.streams[stream], metrics)
        for store, measurements in group.stores.items()
    ]
    entries = [entry for entry in entries if entry.cells]
    rows = _ranked_rows(entries, metrics, group.references)
    return _table(group, title, stream_subject(stream), metrics, rows)


def _took_part(
    entry: TableEntry, operation: OperationKey, ledgers: Mapping[StoreKey, Ledger]
) -> bool:
    ledger = ledgers.get(entry.store)
    has_requests = entry.samples or entry.failed or entry.skipped
    return bool(has_requests or not ledger or operation.operation not in ledger.not_available)


def _bystander(group: Group) -> list[str]:
    cells = (cell for store in group.stores.values() for cell in store.cells)
    return ["bystander_p99"] if any(cell.bystander for cell in cells) else []


def _overall_table(group: Group, title: str) -> Table:
    alone = group.load.mix == ALONE
    operations = _answered_operations(group)
    metrics = _overall_metrics(group.load.open, alone=alone, several=len(operations) > 1)
    metrics += [] if alone else [*_bystander(group), "cpu"]
    entries = [
        overall_entry(store, measurements, operations, metrics)
        for store, measurements in group.stores.items()
    ]
    rows = _ranked_rows(entries, metrics, group.references)
    return _table(group, title, OVERALL, metrics, rows)


def _overall_metrics(scheduled: bool, *, alone: bool, several: bool) -> list[str]:
    """Throughput where users send as fast as they can; latency where requests are scheduled."""
    if scheduled and several:
        return list(OPEN_OVERALL)
    metrics = [] if alone else ["throughput"]
    return [*metrics, *(["geomean_p50", "geomean_p99"] if several else [])]


def _answered_operations(group: Group) -> list[OperationKey]:
    """The operations that a rival answered; what only the reference answered compares nobody."""
    rivals = [
        measurements
        for store, measurements in group.stores.items()
        if store not in group.references
    ]
    return [
        operation
        for operation in group.operations
        if any(_has_answers(store, operation) for store in rivals or group.stores.values())
    ]


def _has_answers(measurements: StoreMeasurements, operation: OperationKey) -> bool:
    parts = measurements.operations
    return operation in parts and bool(parts[operation].samples)


def _ranked_rows(
    entries: list[TableEntry], metrics: list[str], references: frozenset[StoreKey]
) -> list[TableRow]:
    for entry in entries:
        entry.reference = entry.store in references
    columns = {name: _scores(entries, name) for name in metrics}
    rows = [
        TableRow(
            store=str(entry.store),
            reference=entry.reference,
            rounds=len({cell.round for cell in entry.cells}),
            samples=entry.samples,
            failed=entry.failed,
            skipped=entry.skipped,
            failures=dict(entry.failures),
            flags=dict(Counter(flag for cell in entry.cells for flag in cell.flags)),
            unranked=entry.why_unranked,
            scores={name: columns[name][entry.store] for name in metrics},
        )
        for entry in entries
    ]
    return sorted(rows, key=lambda row: _row_order(row, metrics))


def _scores(entries: list[TableEntry], metric: str) -> dict[StoreKey, Score]:
    figures: dict[StoreKey, Bootstrap] = {}
    scores: dict[StoreKey, Score] = {}
    for entry in entries:
        figure = entry.figures[metric]
        if isinstance(figure, str):
            scores[entry.store] = Score(note=figure)
        else:
            figures[entry.store] = figure
    unranked = {entry.store for entry in entries if entry.why_unranked}
    rivals = {
        store: figure
        for store, figure in figures.items()
        if store not in unranked and figure.estimate > 0
    }
    ranks = rank(rivals, higher_is_better=METRICS[metric].higher_is_better)
    best = next((rivals[store] for store in ranks), None)
    for store, figure in figures.items():
        place = ranks[store].place if store in ranks else None
        note = _why_no_place(figure) if store in ranks and place is None else None
        scores[store] = _score(figure, best, place, note)
    limited = {entry.store for entry in entries if entry.is_limited}
    return {
        store: msgspec.structs.replace(score, bound=_bound(metric)) if store in limited else score
        for store, score in scores.items()
    }


def _bound(metric: str) -> str | None:
    """Which way the truth may lie where the generator was the limit; CPU time is not affected."""
    if METRICS[metric].higher_is_better:
        return "at least"
    return "at most" if METRICS[metric].q is not None else None


def _score(figure: Bootstrap, best: Bootstrap | None, place: int | None, note: str | None) -> Score:
    ratio, low, high = _ratio_to_best(figure, best)
    return Score(
        estimate=figure.estimate,
        low=figure.interval_estimate.low,
        high=figure.interval_estimate.high,
        place=place,
        ratio=ratio,
        ratio_low=low,
        ratio_high=high,
        note=note,
    )


def _ratio_to_best(
    figure: Bootstrap, best: Bootstrap | None
) -> tuple[float | None, float | None, float | None]:
    """The ratio and the ends of its 95 % interval."""
    if best is None:
        return None, None, None
    comparable = figure is not best and figure.estimate > 0
    log_ratio = paired_log_ratio(figure, best) if comparable else None
    if log_ratio is None:
        return figure.estimate / best.estimate, None, None
    return log_ratio.ratio, *log_ratio.interval


def _why_no_place(figure: Bootstrap) -> str:
    if len(figure.rounds) < MIN_ROUNDS:
        return f"inconclusive: {len(figure.rounds)} of {MIN_ROUNDS} rounds"
    return f"inconclusive: fewer than {MIN_ROUNDS} rounds in common with the best"


def _row_order(row: TableRow, metrics: list[str]) -> tuple[int, float, float, str]:
    score = row.scores[metrics[0]]
    section = 2 if row.reference else 1 if row.unranked or score.estimate is None else 0
    estimate = score.estimate if score.estimate is not None else float("inf")
    sign = -1 if METRICS[metrics[0]].higher_is_better else 1
    return section, score.place or float("inf"), sign * estimate, row.store


def _unavailable_rows(
    group: Group,
    operation: OperationKey,
    ledgers: Mapping[StoreKey, Ledger],
    present: set[StoreKey],
) -> list[TableRow]:
    """The rows of stores that lack an operation, with the reason."""
    name = operation.operation
    return [
        TableRow(store=str(store), unranked=f"n/a: {ledgers[store].not_available[name]}")
        for store in sorted(ledgers, key=str)
        if name in ledgers[store].not_available
        and store.durability == group.durability
        and store not in present
    ]


def _table(
    group: Group, title: str, subject: str, metrics: list[str], rows: list[TableRow]
) -> Table:
    return Table(
        load=group.load,
        title=title,
        durability=group.durability,
        subject=subject,
        metrics=metrics,
        rows=rows,
    )
