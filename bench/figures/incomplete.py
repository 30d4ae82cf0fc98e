"""What was seen of cells that were never finished, as a killed run leaves them: never ranked."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from bench.disk.results import OK, Cell, OperationResult, Times
from bench.figures.summary import Incomplete
from bench.figures.views import attributed, label


def incomplete(partial: Iterable[Cell]) -> Iterator[Incomplete]:
    """A line for each operation of each cell, in the order of writing."""
    for cell in map(attributed, partial):
        found: dict[str, list[OperationResult]] = defaultdict(list)
        for result in cell.operations:
            found[label(result.operation, result.pool)].append(result)
        for operation, results in found.items():
            yield _of(cell, operation, results)


def _of(cell: Cell, operation: str, results: Sequence[OperationResult]) -> Incomplete:
    counts = {result.outcome: result.count for result in results}
    right = next((result for result in results if result.outcome == OK), None)
    return Incomplete(
        store=cell.store,
        mix=cell.mix,
        variant=cell.variant,
        round=cell.round,
        processes=cell.processes,
        users=cell.users,
        rate=cell.rate,
        slow_rate=cell.slow_rate,
        seconds=cell.seconds,
        operation=operation,
        count=counts.get(OK, 0),
        failed=sum(counts.values()) - counts.get(OK, 0),
        throughput_rps=round(counts.get(OK, 0) / cell.seconds, 3) if cell.seconds else 0.0,
        service_us=_shown(right.service_us if right else None),
        response_us=_shown(right.response_us if right else None),
    )


def _shown(times: Times | None) -> dict[str, float | None]:
    return {} if times is None else {"p50": times.p50, "p99": times.p99}
