"""Whether the load came as intended: what was late, skipped, failed, stale or sent once more."""

from collections.abc import Callable, Iterator

from bench.disk.results import OK, Cell
from bench.figures.summary import Conduct
from bench.figures.views import StoreView, View, generator_limited


def conduct(view: View, title: str) -> Iterator[Conduct]:
    """A line for each store of a view for whose cells something was counted."""
    for store, seen in view.stores.items():
        if any(cell.intended is not None or cell.stale or cell.retried for cell in seen.cells):
            yield _of(store, title, seen)


def _of(store: str, title: str, seen: StoreView) -> Conduct:
    outcomes = [result for cell in seen.cells for result in cell.operations]
    total = sum(result.count for result in outcomes)
    right = sum(result.count for result in outcomes if result.outcome == OK)
    intended, skipped = (
        _sum(seen.cells, lambda cell: cell.intended),
        _sum(seen.cells, lambda cell: cell.skipped),
    )
    known = intended is not None and skipped is not None
    lags = [cell.health.get("schedule_lag_p99_ms") for cell in seen.cells]
    return Conduct(
        store=store,
        title=title,
        intended=intended,
        answered=right,
        failed=total - right,
        late=_sum(seen.cells, lambda cell: cell.late),
        skipped=skipped,
        unanswered=max(0, (intended or 0) - (skipped or 0) - total) if known else None,
        stale=_sum(seen.cells, lambda cell: cell.stale),
        retried=_sum(seen.cells, lambda cell: cell.retried),
        schedule_lag_p99_ms=max((lag for lag in lags if lag is not None), default=None),
        bound=any(map(generator_limited, seen.cells)),
    )


def _sum(cells: list[Cell], count: Callable[[Cell], int | None]) -> int | None:
    known = [number for cell in cells if (number := count(cell)) is not None]
    return sum(known) if known else None
