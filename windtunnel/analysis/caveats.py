"""What a reader should know before believing a run: its doubts, its load, its machine.

Also what is in no ranking: cells that are void, flagged or incomplete, stores without a clean one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

import msgspec

from windtunnel.analysis.keys import (
    OperationKey,
    StoreKey,
    has_ranked_variants,
    ledgers_by_key,
    operation_key,
    store_key,
)
from windtunnel.analysis.stats import MIN_ROUNDS
from windtunnel.analysis.summary import DoubtfulCell, IncompleteOperation
from windtunnel.analysis.unanswered import with_pools
from windtunnel.analysis.validity import clean_cells, is_generator_limited
from windtunnel.analysis.wording import BOUNDS, counted
from windtunnel.recording.results import OK, Cell, LatencySummary, OperationResult, Run


def caveats(run: Run, damaged: list[str]) -> Iterator[str]:
    """A sentence for each; `damaged` says which files could not be read whole."""
    if run.info.finished is None:
        yield "The run did not finish: only what was measured until then is here."
    yield from damaged
    clean = clean_cells(run.cells)
    rounds = len({cell.round for cell in clean})
    if run.cells and rounds < MIN_ROUNDS:
        yield f"{counted(rounds, 'clean round')}, {MIN_ROUNDS} needed: no intervals, not ranked."
    yield from _load_caveats(clean)
    yield from _host_caveats(run)
    yield from _cell_caveats(run.cells)
    yield from _skipped_caveats(run)


def _skipped_caveats(run: Run) -> Iterator[str]:
    partly = run.info.skipped.keys() & run.info.stores.keys()
    if wholly := len(run.info.skipped) - len(partly):
        yield f"{counted(wholly, 'store')} skipped, see the reasons below."
    if partly:
        yield f"{counted(len(partly), 'store')} spared some of the loads, see the reasons below."


def _load_caveats(clean: list[Cell]) -> Iterator[str]:
    if any(map(is_generator_limited, clean)):
        yield (
            "Where the generator was the limit (above 85 % of a core, or its schedule late by more "
            "than 2 ms at p99), a store may be better than its figures: they are bounds, with "
            f"{BOUNDS['at most']} or {BOUNDS['at least']} before them."
        )
    if any(cell.rate is not None for cell in clean):
        yield (
            "Open load: requests come on schedule, whatever the answers do. Response time counts "
            "from the scheduled start, service time from the actual send; the "
            "ranking that counts is by response time at a common rate."
        )
    if any(cell.rate is None for cell in clean):
        users = sorted({cell.users for cell in clean if cell.users is not None})
        noun = "user" if users == [1] else "users"
        yield (
            f"Closed load ({', '.join(map(str, users))} {noun}): a user sends only after its last "
            "answer came, so these are service times, without the wait that a stall would cause "
            "to requests which arrive by themselves."
        )


def _host_caveats(run: Run) -> Iterator[str]:
    host = run.info.host
    cores, cpu = host.get("cores"), host.get("cpu")
    if cores:
        machine = f"{counted(cores, 'core')}{f' ({cpu})' if cpu else ''}"
        programs = "all: load, server, databases"
        if run.info.settings.get("host"):
            programs = "the generator; the server was one that ran already"
        yield f"One machine with {machine} ran {programs}."
    shares = (cell.health.get("steal") for cell in run.cells)
    steal = [float(share) for share in shares if isinstance(share, int | float)]
    if steal:
        yield (
            f"Steal: median {median(steal):.1%} of CPU time in a cell, at most {max(steal):.1%}."
        )
    if run.info.git.get("dirty"):
        yield "The code had uncommitted changes when it was measured."


def _cell_caveats(cells: list[Cell]) -> Iterator[str]:
    clean = clean_cells(cells)
    if void := len(cells) - len(clean):
        yield f"Void and left out: {void} of {counted(len(cells), 'cell')}."
    flags = Counter(flag for cell in clean for flag in cell.flags)
    for flag, count in flags.most_common():
        yield f"Flagged, included: {count} of {counted(len(cells), 'cell')}: {flag}."


def doubtful_cells(run: Run) -> Iterator[DoubtfulCell]:
    """The cells that are void or flagged, then those that were never finished."""
    for cell in run.cells:
        if cell.void or cell.flags:
            yield _doubtful_cell(cell, cell.void)
    for cell in run.partial:
        answers = counted(sum(result.count for result in cell.operations), "answer")
        why = f"incomplete cell: the run ended {cell.seconds:.0f} s into it, after {answers}"
        yield _doubtful_cell(cell, why)


def _doubtful_cell(cell: Cell, void: str | None) -> DoubtfulCell:
    return DoubtfulCell(**_conditions(cell), flags=cell.flags, void=void)


def incomplete_operations(run: Run) -> Iterator[IncompleteOperation]:
    """A row for each operation of each cell that a killed run did not finish."""
    for cell in map(with_pools, run.partial):
        results: dict[OperationKey, list[OperationResult]] = defaultdict(list)
        for result in cell.operations:
            results[operation_key(result)].append(result)
        for operation, outcomes in results.items():
            yield _incomplete_operation(cell, operation, outcomes)


def _incomplete_operation(
    cell: Cell, operation: OperationKey, results: Sequence[OperationResult]
) -> IncompleteOperation:
    answered = next((result for result in results if result.outcome == OK), None)
    count = answered.count if answered else 0
    return IncompleteOperation(
        **_conditions(cell),
        seconds=cell.seconds,
        operation=str(operation),
        count=count,
        failed=sum(result.count for result in results) - count,
        throughput_rps=round(count / cell.seconds, 3) if cell.seconds else 0.0,
        service_us=_quantiles(answered.service_us if answered else None),
        response_us=_quantiles(answered.response_us if answered else None),
    )


def _quantiles(times: LatencySummary | None) -> dict[str, float | None]:
    return {} if times is None else {"p50": times.p50, "p99": times.p99}


def unmeasured_stores(run: Run) -> dict[str, str]:
    """The stores without a clean cell, and why."""
    by_variant = has_ranked_variants(run)
    cells: dict[StoreKey, list[Cell]] = {key: [] for key in ledgers_by_key(run)}
    left_out = {StoreKey(store) for store in run.info.skipped} - cells.keys()
    for cell in run.cells:
        cells.setdefault(store_key(cell, by_variant=by_variant), []).append(cell)
    return {
        str(store): _why_unmeasured(attempts)
        for store, attempts in cells.items()
        if not clean_cells(attempts) and store not in left_out
    }


def _why_unmeasured(cells: Sequence[Cell]) -> str:
    if not cells:
        return "no cell was finished"
    return f"all {len(cells)} cells void: {cells[0].void}"


def _conditions(cell: Cell) -> dict[str, Any]:
    return {**msgspec.structs.asdict(cell.conditions), "store": cell.subject}
