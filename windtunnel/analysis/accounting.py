"""The outcomes of scheduled requests: answered, failed, late, skipped, unanswered."""

from collections.abc import Callable, Iterator, Sequence

from windtunnel.analysis.grouping import Group, StoreMeasurements
from windtunnel.analysis.keys import StoreKey
from windtunnel.analysis.summary import Accounting
from windtunnel.analysis.validity import is_generator_limited
from windtunnel.recording.results import OK, Cell


def accountings(group: Group, title: str) -> Iterator[Accounting]:
    """A row for each store of a group for whose cells anything was counted."""
    for store, measurements in group.stores.items():
        cells = measurements.cells
        if any(cell.intended is not None or cell.stale or cell.retried for cell in cells):
            yield _accounting(store, title, measurements)


def _accounting(store: StoreKey, title: str, measurements: StoreMeasurements) -> Accounting:
    cells = measurements.cells
    results = [result for cell in cells for result in cell.operations]
    total = sum(result.count for result in results)
    answered = sum(result.count for result in results if result.outcome == OK)
    intended = _sum(cells, lambda cell: cell.intended)
    skipped = _sum(cells, lambda cell: cell.skipped)
    unanswered = None
    if intended is not None and skipped is not None:
        unanswered = max(0, intended - skipped - total)
    lags = [cell.health.get("schedule_lag_p99_ms") for cell in cells]
    return Accounting(
        store=str(store),
        title=title,
        intended=intended,
        answered=answered,
        failed=total - answered,
        late=_sum(cells, lambda cell: cell.late),
        skipped=skipped,
        unanswered=unanswered,
        stale=_sum(cells, lambda cell: cell.stale),
        retried=_sum(cells, lambda cell: cell.retried),
        schedule_lag_p99_ms=max((lag for lag in lags if lag is not None), default=None),
        bound=any(map(is_generator_limited, cells)),
    )


def _sum(cells: Sequence[Cell], count: Callable[[Cell], int | None]) -> int | None:
    counts = [number for cell in cells if (number := count(cell)) is not None]
    return sum(counts) if counts else None
