"""What the charts of a report draw: latency by percentile, and mean times to stack."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from bench.figures.candidates import lost_or_failed
from bench.figures.contenders import name_with
from bench.figures.summary import Load, Table
from bench.figures.views import StoreView, View
from bench.measure.histogram import Histogram

STACKED = ("create", "edit", "delete")
POINTS_PER_DECADE = 12
SAMPLES_BEYOND = 10

T = TypeVar("T")

Charts = dict[str, Any]
"""A view's charts as JSON-ready data."""


def percentiles(histogram: Histogram, wrong: float = 0.0) -> list[tuple[float, float]]:
    """Points (1/(1-q), ms), evenly spaced on a log axis, as far as 10 samples lie beyond q.

    Where `wrong` of all requests got no right answer, it ends before these would count.
    """
    points = []
    reach = max(1.0, histogram.total / SAMPLES_BEYOND)
    if wrong:
        reach = min(reach, (histogram.total + wrong) / wrong)
    for step in range(int(POINTS_PER_DECADE * math.log10(reach) + 1e-9) + 1):
        scale = 10 ** (step / POINTS_PER_DECADE)
        rank = max(1, math.ceil(histogram.total * (1 - 1 / scale)))
        points.append((round(scale, 4), histogram.at_rank(rank) / 1000))
    return points


def overlaid(drawn: Iterable[tuple[View, Charts]]) -> list[Charts]:
    """Charts of one load under several variants become one, where a store is told with each."""
    groups: dict[tuple[str, Load], list[tuple[str, Charts]]] = defaultdict(list)
    for view, one in drawn:
        load = msgspec.structs.replace(view.load, variant=None)
        groups[view.durability, load].append((view.load.variant or "", one))
    return [several[0][1] if len(several) == 1 else _over(several) for several in groups.values()]


def _over(several: Sequence[tuple[str, Charts]]) -> Charts:
    variant, first = several[0]
    operations = dict.fromkeys(name for _, one in several for name in one["operations"])
    return {
        **first,
        "title": first["title"].removesuffix(f"; variant {variant}"),
        "reference": [name_with(v, store) for v, one in several for store in one["reference"]],
        "operations": {
            name: {
                latency: _named(
                    {v: one["operations"].get(name, {}).get(latency, {}) for v, one in several}
                )
                for latency in first["latencies"]
            }
            for name in operations
        },
        "stacked": _named({variant: one["stacked"] for variant, one in several}),
    }


def _named(found: Mapping[str, Mapping[str, T]]) -> dict[str, T]:
    """What is known of each store, by variant, as one; variants of a store follow each other."""
    stores = dict.fromkeys(store for of in found.values() for store in of)
    return {
        name_with(variant, store): of[store]
        for store in stores
        for variant, of in found.items()
        if store in of
    }


def charts(title: str, view: View, tables: list[Table]) -> Charts:
    """One view's charts as JSON-ready data; stores in the order of the tables, best first."""
    return {
        "title": title,
        "durability": view.durability,
        "reference": sorted(view.references),
        "latencies": view.latencies,
        "operations": {
            table.subject: {latency: _curves(view, table, latency) for latency in view.latencies}
            for table in tables
            if table.subject in view.operations
        },
        "stacked": {
            store: bars for store, seen in view.stores.items() if (bars := _bars(view, seen))
        },
    }


def _curves(view: View, table: Table, latency: str) -> dict[str, list[tuple[float, float]]]:
    curves = {}
    for row in table.rows:
        if row.scores and table.subject in view.stores[row.store].operations:
            measured = view.stores[row.store].operations[table.subject]
            found = measured.latencies[latency].together
            if found.total:
                curves[row.store] = percentiles(found, lost_or_failed(measured))
    return curves


def _bars(view: View, seen: StoreView) -> dict[str, dict[str, float]] | None:
    there = [seen.operations[name] for name in STACKED if name in seen.operations]
    if len(there) < len(STACKED) or not all(measured.samples for measured in there):
        return None
    bars = {}
    for latency in view.latencies:
        found = {name: seen.operations[name].latencies[latency].together for name in STACKED}
        bars[f"mean {latency}"] = {n: round(each.mean / 1000, 4) for n, each in found.items()}
        bars[f"median {latency}"] = {n: each.quantile(500) / 1000 for n, each in found.items()}
    return bars
