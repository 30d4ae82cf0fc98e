"""What was intended and has no outcome: of a cell, of a stream of it, of each of its results."""

from collections.abc import Callable, Iterable, Sequence

from bench.disk.results import Cell, OperationResult, StreamOfCell


def lost(cell: Cell) -> int:
    """How many intended requests of a cell have no outcome: skipped, or never answered."""
    if cell.intended is None:
        return 0
    return max(cell.skipped or 0, cell.intended - sum(each.count for each in cell.operations))


def shares(cell: Cell) -> Callable[[OperationResult], float]:
    """Return what tells the share of a result in what its cell, or its stream, lost."""
    told = [stream for stream in cell.streams.values() if stream.intended is not None]
    streams: Sequence[StreamOfCell | None] = told or [None]

    def share(stream: StreamOfCell | None, result: OperationResult) -> float:
        if stream is None:
            return lost(cell) * result.count / total(cell.operations)
        own = [each for each in cell.operations if each.operation in stream.operations]
        return lost_of(stream, own) * result.count / total(own) if result in own else 0.0

    return lambda result: sum(share(stream, result) for stream in streams)


def total(results: Iterable[OperationResult]) -> int:
    """How many requests these are, 1 at least."""
    return sum(result.count for result in results) or 1


def lost_of(stream: StreamOfCell, results: Iterable[OperationResult]) -> int:
    """How many intended requests of a stream have no outcome, as `lost` of a cell."""
    if stream.intended is None:
        return 0
    return max(stream.skipped or 0, stream.intended - sum(each.count for each in results))
