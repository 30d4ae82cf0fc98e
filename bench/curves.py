"""What the charts of a report draw: latency by percentile, and mean times to stack."""

import math
from typing import Any

from bench.histogram import Histogram
from bench.summary import Table
from bench.views import StoreView, View, is_reference

STACKED = ("create", "edit", "delete")
POINTS_PER_DECADE = 12
SAMPLES_BEYOND = 10


def percentiles(histogram: Histogram) -> list[tuple[float, float]]:
    """Points (1/(1-q), ms), evenly spaced on a log axis, as far as 10 samples lie beyond q."""
    points = []
    reach = max(1.0, histogram.total / SAMPLES_BEYOND)
    for step in range(int(POINTS_PER_DECADE * math.log10(reach) + 1e-9) + 1):
        scale = 10 ** (step / POINTS_PER_DECADE)
        rank = max(1, math.ceil(histogram.total * (1 - 1 / scale)))
        points.append((round(scale, 4), histogram.at_rank(rank) / 1000))
    return points


def charts(title: str, view: View, tables: list[Table]) -> dict[str, Any]:
    """One view's charts as JSON-ready data; stores in the order of the tables, best first."""
    return {
        "title": title,
        "durability": view.durability,
        "reference": [store for store in view.stores if is_reference(store)],
        "operations": {
            table.subject: _curves(view, table)
            for table in tables
            if table.subject in view.operations
        },
        "stacked": {store: bars for store, seen in view.stores.items() if (bars := _bars(seen))},
    }


def _curves(view: View, table: Table) -> dict[str, list[tuple[float, float]]]:
    measured = {
        row.store: view.stores[row.store].operations[table.subject].together
        for row in table.rows
        if row.scores
    }
    return {store: percentiles(found) for store, found in measured.items() if found.total}


def _bars(seen: StoreView) -> dict[str, dict[str, float]] | None:
    found = {name: seen.operations[name].together for name in STACKED if name in seen.operations}
    if len(found) < len(STACKED) or not all(histogram.total for histogram in found.values()):
        return None
    return {
        "mean": {name: round(histogram.mean / 1000, 4) for name, histogram in found.items()},
        "median": {name: histogram.quantile(500) / 1000 for name, histogram in found.items()},
    }
