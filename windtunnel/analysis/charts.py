"""The charts of a report as JSON-ready data: latency by percentile, and mean times to stack."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from windtunnel.analysis.grouping import Group, StoreMeasurements
from windtunnel.analysis.keys import OperationKey, StoreKey, TableLoad
from windtunnel.analysis.summary import Table
from windtunnel.recording.histogram import Histogram, nearest_rank
from windtunnel.recording.limits import SAMPLES_BEYOND

STACKED = ("create", "edit", "delete")
POINTS_PER_DECADE = 12

T = TypeVar("T")

Charts = dict[str, Any]
"""A group's charts as JSON-ready data."""

PercentilePoint = tuple[float, float]
"""1/(1-q), and the latency in ms."""


def percentiles(histogram: Histogram, unsuccessful: float = 0.0) -> list[PercentilePoint]:
    """Points evenly spaced on a log axis, as far as 10 samples lie beyond q.

    Where requests were `unsuccessful`, it ends before these would count.
    """
    reach = max(1.0, histogram.count / SAMPLES_BEYOND)
    if unsuccessful:
        reach = min(reach, (histogram.count + unsuccessful) / unsuccessful)
    steps = int(POINTS_PER_DECADE * math.log10(reach) + 1e-9) + 1
    scales = [10 ** (step / POINTS_PER_DECADE) for step in range(steps)]
    values = histogram.at_ranks(nearest_rank(histogram.count, 1 - 1 / scale) for scale in scales)
    return [(round(scale, 4), us / 1000) for scale, us in zip(scales, values, strict=True)]


def charts(title: str, group: Group, tables: Sequence[Table]) -> Charts:
    """One group's charts; stores in the order of the tables, best first."""
    by_subject = {table.subject: table for table in tables}
    operations = [key for key in group.operations if str(key) in by_subject]
    return {
        "title": title,
        "durability": group.durability,
        "reference": sorted(map(str, group.references)),
        "latencies": group.latencies,
        "operations": {
            str(key): {
                latency: _curves(group, key, by_subject[str(key)], latency)
                for latency in group.latencies
            }
            for key in operations
        },
        "stacked": {
            str(store): bars
            for store, measurements in group.stores.items()
            if (bars := _bars(group, measurements))
        },
    }


def overlay_variants(drawn: Iterable[tuple[str, Group, Charts]]) -> list[Charts]:
    """Charts of one load under several variants become one, with each store at each variant.

    Each comes with the title that they have in common.
    """
    groups: dict[tuple[str, TableLoad], list[tuple[str, str, Charts]]] = defaultdict(list)
    for title, group, data in drawn:
        load = msgspec.structs.replace(group.load, variant=None)
        groups[group.durability, load].append((title, group.load.variant or "", data))
    return [
        _overlaid(several) if len(several) > 1 else several[0][2] for several in groups.values()
    ]


def _overlaid(several: Sequence[tuple[str, str, Charts]]) -> Charts:
    title, _, first = several[0]
    by_variant = {variant: data for _, variant, data in several}
    operations = dict.fromkeys(name for data in by_variant.values() for name in data["operations"])
    return {
        **first,
        "title": title,
        "reference": [
            str(StoreKey(store, variant))
            for variant, data in by_variant.items()
            for store in data["reference"]
        ],
        "operations": {
            name: {
                latency: _by_store(
                    {
                        variant: data["operations"].get(name, {}).get(latency, {})
                        for variant, data in by_variant.items()
                    }
                )
                for latency in first["latencies"]
            }
            for name in operations
        },
        "stacked": _by_store({variant: data["stacked"] for variant, data in by_variant.items()}),
    }


def _by_store(by_variant: Mapping[str, Mapping[str, T]]) -> dict[str, T]:
    """The data of each store at each variant; variants of a store follow each other."""
    stores = dict.fromkeys(store for data in by_variant.values() for store in data)
    return {
        str(StoreKey(store, variant)): data[store]
        for store in stores
        for variant, data in by_variant.items()
        if store in data
    }


def _curves(
    group: Group, operation: OperationKey, table: Table, latency: str
) -> dict[str, list[PercentilePoint]]:
    stores = {str(store): measurements for store, measurements in group.stores.items()}
    curves = {}
    for row in table.rows:
        if row.scores and operation in stores[row.store].operations:
            measurements = stores[row.store].operations[operation]
            histogram = measurements.latencies[latency].merged
            if histogram.count:
                curves[row.store] = percentiles(histogram, measurements.unsuccessful)
    return curves


def _bars(group: Group, store: StoreMeasurements) -> dict[str, dict[str, float]] | None:
    keys = [OperationKey(name) for name in STACKED]
    if not all(key in store.operations and store.operations[key].samples for key in keys):
        return None
    bars = {}
    for latency in group.latencies:
        histograms = {
            key.operation: store.operations[key].latencies[latency].merged for key in keys
        }
        bars[f"mean {latency}"] = {
            name: round(histogram.mean / 1000, 4) for name, histogram in histograms.items()
        }
        bars[f"median {latency}"] = {
            name: histogram.quantile(0.5) / 1000 for name, histogram in histograms.items()
        }
    return bars
