"""Requests that were scheduled and have no outcome: of a cell, of its streams, of its results."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import msgspec

from windtunnel.recording.recorder import NO_POOL
from windtunnel.recording.results import Cell, OperationResult, StreamResult


def unanswered(cell: Cell) -> int:
    """How many scheduled requests of a cell were skipped or never answered."""
    return _unanswered(cell.intended, cell.skipped, cell.operations)


def unanswered_of_stream(stream: StreamResult, results: Iterable[OperationResult]) -> int:
    """How many scheduled requests of a stream were skipped or never answered."""
    return _unanswered(stream.intended, stream.skipped, results)


def unanswered_shares(cell: Cell) -> Callable[[OperationResult], float]:
    """A function that returns a result's share in what its cell, or its stream, left unanswered."""
    scheduled = [stream for stream in cell.streams.values() if stream.intended is not None]
    streams: Sequence[StreamResult | None] = scheduled or [None]

    def share(stream: StreamResult | None, result: OperationResult) -> float:
        if stream is None:
            return unanswered(cell) * result.count / _total(cell.operations)
        results = results_of_stream(cell, stream)
        if result not in results:
            return 0.0
        return unanswered_of_stream(stream, results) * result.count / _total(results)

    return lambda result: sum(share(stream, result) for stream in streams)


def results_of_stream(cell: Cell, stream: StreamResult) -> list[OperationResult]:
    """The results of a stream's operations."""
    return [result for result in cell.operations if result.operation in stream.operations]


def with_pools(cell: Cell) -> Cell:
    """A cell in which requests that no process answered count for the pool they were sent to.

    A request that timed out names no pool. Counted apart it would flatter the pool that it was sent
    to; where several pools answered the operation, it stays apart.
    """
    pools: dict[str, set[str | None]] = defaultdict(set)
    for result in cell.operations:
        if result.pool != NO_POOL:
            pools[result.operation].add(result.pool)
    results = [_with_pool(result, pools[result.operation]) for result in cell.operations]
    return cell if results == cell.operations else msgspec.structs.replace(cell, operations=results)


def _with_pool(result: OperationResult, pools: set[str | None]) -> OperationResult:
    if result.pool != NO_POOL or len(pools) != 1:
        return result
    return msgspec.structs.replace(result, pool=next(iter(pools)))


def _unanswered(
    intended: int | None, skipped: int | None, results: Iterable[OperationResult]
) -> int:
    if intended is None:
        return 0
    return max(skipped or 0, intended - sum(result.count for result in results))


def _total(results: Iterable[OperationResult]) -> int:
    """How many requests these are, 1 at least."""
    return sum(result.count for result in results) or 1
