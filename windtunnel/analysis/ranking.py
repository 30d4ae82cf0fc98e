"""Views become ranked tables: who stands in which place, and why somebody stands in none."""

from collections import Counter
from collections.abc import Mapping

import msgspec

from windtunnel.analysis.entries import Candidate, of_operation, overall
from windtunnel.analysis.grouping import StoreView, View, durability_of, requests, streams
from windtunnel.analysis.stats import MIN_ROUNDS, Bootstrap, paired_log_ratio, rank
from windtunnel.analysis.summary import (
    ALONE,
    METRICS,
    OVERALL,
    RESPONSE,
    SERVICE,
    Row,
    Score,
    Table,
)
from windtunnel.recording.results import Ledger

CLOSED = ["p50", "p99", "p99.9"]
OPEN = [f"{latency}_{name}" for name in CLOSED for latency in (RESPONSE, SERVICE)]
OPEN_OVERALL = [f"geomean_{name}" for name in OPEN[:4]]


def tables(view: View, title: str, ledgers: Mapping[str, Ledger]) -> list[Table]:
    """One table overall, where several operations or a mix were measured, and one an operation."""
    found = [_operation_table(view, title, operation, ledgers) for operation in view.operations]
    if view.load.beside:
        return [*(_stream_table(view, title, name) for name in streams(view)), *found]
    if view.load.mix == ALONE and len(_offered(view)) < 2:
        return found
    return [_overall_table(view, title), *found]


def _operation_table(
    view: View, title: str, operation: str, ledgers: Mapping[str, Ledger]
) -> Table:
    alone = view.load.mix == ALONE
    metrics = list(OPEN if view.load.open else CLOSED)
    if alone:
        metrics += [*_bystander(view), "cpu", *([] if view.load.open else ["throughput"])]
    rivals = [
        of_operation(store, seen.operations[operation], metrics)
        for store, seen in view.stores.items()
        if operation in seen.operations
    ]
    rivals = [each for each in rivals if _took_part(each, operation, ledgers)]
    rows = _rank(rivals, metrics, view.references)
    absent = _not_available(view, operation, ledgers, {row.store for row in rows})
    return _table(view, title, operation, metrics, rows + absent)


def _stream_table(view: View, title: str, stream: str) -> Table:
    """All requests of one kind; what those got meanwhile who asked its pool for next to nothing."""
    metrics = [*OPEN, *_bystander(view)]
    rivals = [
        of_operation(store, seen.streams[stream], metrics) for store, seen in view.stores.items()
    ]
    rows = _rank([each for each in rivals if each.cells], metrics, view.references)
    return _table(view, title, requests(stream), metrics, rows)


def _took_part(rival: Candidate, operation: str, ledgers: Mapping[str, Ledger]) -> bool:
    known = ledgers.get(rival.store)
    asked = rival.samples or rival.failed or rival.skipped
    return bool(asked or not known or operation not in known.not_available)


def _bystander(view: View) -> list[str]:
    there = any(cell.bystander for seen in view.stores.values() for cell in seen.cells)
    return ["bystander_p99"] if there else []


def _overall_table(view: View, title: str) -> Table:
    alone = view.load.mix == ALONE
    operations = _offered(view)
    metrics = _overall_metrics(view.load.open, alone=alone, several=len(operations) > 1)
    metrics += [] if alone else [*_bystander(view), "cpu"]
    rivals = [overall(store, seen, operations, metrics) for store, seen in view.stores.items()]
    return _table(view, title, OVERALL, metrics, _rank(rivals, metrics, view.references))


def _overall_metrics(scheduled: bool, *, alone: bool, several: bool) -> list[str]:
    """What a mix does to a server that gets all it can is throughput; on schedule it is latency."""
    if scheduled and several:
        return list(OPEN_OVERALL)
    metrics = [] if alone else ["throughput"]
    return [*metrics, *(["geomean_p50", "geomean_p99"] if several else [])]


def _offered(view: View) -> list[str]:
    """The operations that a rival answered; what only the reference can do compares nobody."""
    rivals = [seen for store, seen in view.stores.items() if store not in view.references]
    return [
        operation
        for operation in view.operations
        if any(_answered(seen, operation) for seen in rivals or view.stores.values())
    ]


def _answered(seen: StoreView, operation: str) -> bool:
    return operation in seen.operations and bool(seen.operations[operation].samples)


def _rank(candidates: list[Candidate], metrics: list[str], references: frozenset[str]) -> list[Row]:
    for each in candidates:
        each.reference = each.store in references
    columns = {name: _scores(candidates, name) for name in metrics}
    rows = [
        Row(
            store=each.store,
            reference=each.reference,
            rounds=len({cell.round for cell in each.cells}),
            samples=each.samples,
            failed=each.failed,
            skipped=each.skipped,
            failures=dict(each.failures),
            flags=dict(Counter(flag for cell in each.cells for flag in cell.flags)),
            unranked=each.unranked,
            scores={name: columns[name][each.store] for name in metrics},
        )
        for each in candidates
    ]
    return sorted(rows, key=lambda row: _row_order(row, metrics))


def _scores(candidates: list[Candidate], metric: str) -> dict[str, Score]:
    figures = {each.store: each.figures[metric] for each in candidates}
    known = {store: found for store, found in figures.items() if not isinstance(found, str)}
    barred = {each.store for each in candidates if each.unranked}
    rivals = {s: found for s, found in known.items() if s not in barred and found.estimate > 0}
    standings = rank(rivals, higher_is_better=METRICS[metric].higher_is_better)
    best = next((rivals[store] for store in standings), None)
    scores = {store: Score(note=note) for store, note in figures.items() if isinstance(note, str)}
    for store, found in known.items():
        standing = standings.get(store)
        note = _why_no_place(found) if standing and standing.place is None else None
        scores[store] = _score(found, best, standing.place if standing else None, note)
    limited = {each.store for each in candidates if each.limited}
    return {
        store: msgspec.structs.replace(score, bound=_bound(metric)) if store in limited else score
        for store, score in scores.items()
    }


def _bound(metric: str) -> str | None:
    """Which way the truth may lie where the generator was the limit; CPU time is not affected."""
    if METRICS[metric].higher_is_better:
        return "at least"
    return "at most" if METRICS[metric].q is not None else None


def _score(found: Bootstrap, best: Bootstrap | None, place: int | None, note: str | None) -> Score:
    ratio, low, high = _to_the_best(found, best)
    return Score(
        estimate=found.estimate,
        low=found.figure.low,
        high=found.figure.high,
        place=place,
        ratio=ratio,
        ratio_low=low,
        ratio_high=high,
        note=note,
    )


Ratio = tuple[float | None, float | None, float | None]
"""The ratio and its 95 % interval."""


def _to_the_best(found: Bootstrap, best: Bootstrap | None) -> Ratio:
    if best is None:
        return None, None, None
    spread = None if found is best or found.estimate <= 0 else paired_log_ratio(found, best)
    if spread is None:
        return found.estimate / best.estimate, None, None
    return spread.ratio, *spread.interval


def _why_no_place(found: Bootstrap) -> str:
    if len(found.rounds) < MIN_ROUNDS:
        return f"cannot tell: {len(found.rounds)} of {MIN_ROUNDS} rounds"
    return f"cannot tell: fewer than {MIN_ROUNDS} rounds in common with the best"


def _row_order(row: Row, metrics: list[str]) -> tuple[int, float, float, str]:
    score = row.scores[metrics[0]]
    group = 2 if row.reference else 1 if row.unranked or score.estimate is None else 0
    estimate = score.estimate if score.estimate is not None else float("inf")
    sign = -1 if METRICS[metrics[0]].higher_is_better else 1
    return group, score.place or float("inf"), sign * estimate, row.store


def _not_available(
    view: View, operation: str, ledgers: Mapping[str, Ledger], present: set[str]
) -> list[Row]:
    return [
        Row(store=store, unranked=f"n/a: {ledger.not_available[operation]}")
        for store, ledger in sorted(ledgers.items())
        if operation in ledger.not_available
        and durability_of(store) == view.durability
        and store not in present
    ]


def _table(view: View, title: str, subject: str, metrics: list[str], rows: list[Row]) -> Table:
    return Table(
        load=view.load,
        title=title,
        durability=view.durability,
        subject=subject,
        metrics=metrics,
        rows=rows,
    )
