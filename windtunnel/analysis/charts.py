"""What the charts of a report draw: latency by percentile, and mean times to stack."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from typing import Any, TypeVar

import msgspec

from windtunnel.analysis.entries import lost_or_failed
from windtunnel.analysis.grouping import (
    StoreView,
    View,
    cut,
    display_name,
    label,
    spoiled,
    steady,
)
from windtunnel.analysis.summary import RESPONSE, SERVICE, Table, TableLoad
from windtunnel.analysis.wording import amount
from windtunnel.recording.conditions import Conditions
from windtunnel.recording.histogram import Histogram, nearest_rank
from windtunnel.recording.limits import SAMPLES_BEYOND
from windtunnel.recording.results import OK, LatencySummary, Run
from windtunnel.recording.streams import Second

STACKED = ("create", "edit", "delete")
POINTS_PER_DECADE = 12

T = TypeVar("T")

Charts = dict[str, Any]
"""A view's charts as JSON-ready data."""


def percentiles(histogram: Histogram, wrong: float = 0.0) -> list[tuple[float, float]]:
    """Points (1/(1-q), ms), evenly spaced on a log axis, as far as 10 samples lie beyond q.

    Where `wrong` of all requests got no right answer, it ends before these would count.
    """
    reach = max(1.0, histogram.count / SAMPLES_BEYOND)
    if wrong:
        reach = min(reach, (histogram.count + wrong) / wrong)
    steps = int(POINTS_PER_DECADE * math.log10(reach) + 1e-9) + 1
    scales = [10 ** (step / POINTS_PER_DECADE) for step in range(steps)]
    values = histogram.at_ranks(nearest_rank(histogram.count, 1 - 1 / scale) for scale in scales)
    return [(round(scale, 4), us / 1000) for scale, us in zip(scales, values, strict=True)]


def overlaid(drawn: Iterable[tuple[View, Charts]]) -> list[Charts]:
    """Charts of one load under several variants become one, where a store is told with each."""
    groups: dict[tuple[str, TableLoad], list[tuple[str, Charts]]] = defaultdict(list)
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
        "reference": [display_name(v, store) for v, one in several for store in one["reference"]],
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
        display_name(variant, store): of[store]
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
            if found.count:
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
        bars[f"median {latency}"] = {n: each.quantile(0.5) / 1000 for n, each in found.items()}
    return bars


# A run second by second, as charts draw it: the rate, the median and the tail of each store.


MOST_POINTS = 1_500
"""Points of a line; of more seconds than that several make one point."""

LEAST_WIDTH = 0.05
"""Seconds: the rate of a shorter rest of a cell says nothing."""

Point = tuple[float, float | None, float | None, float | None]
"""Second, right answers a second, median and tail in ms."""


def timelines(run: Run, seconds: Iterable[Second]) -> list[dict[str, Any]]:
    """Return a chart for each load as JSON-ready data: by operation, latency and store, `Point`s.

    Rounds stand one after the other, each as long as the longest, with a gap (a point of None)
    between them. A cell that was spoiled and measured again is left out. The tail is p99, or the
    slowest answer of a second that had too few for it. A load that was changed while it ran, as
    Locust's can be, is one chart.
    """
    ends = {cut(cell): cell.seconds for cell in run.cells if cell.void is None}
    void, whole = spoiled(run.cells), steady(run)
    charts: dict[str, dict[tuple[Conditions, float], Second]] = defaultdict(dict)
    for second in seconds:
        if cut(second) not in void:
            charts[_title(second, whole)][cut(second), second.second] = second
    return [_chart(title, list(found.values()), ends) for title, found in charts.items()]


def _title(second: Second, told: bool) -> str:
    load = (second.users, second.rate, second.processes, second.slow_rate)
    under = amount(*load) if told else ""
    return ", ".join(filter(None, (second.variant, second.mix, under)))


def _chart(title: str, seconds: Sequence[Second], ends: dict[Conditions, float]) -> dict[str, Any]:
    length = max(second.second for second in seconds) + 1
    lines: dict[tuple[str, str, str], list[tuple[int, Point]]] = defaultdict(list)
    for second in sorted(seconds, key=lambda each: (each.round, each.second)):
        width = min(1.0, ends.get(cut(second), second.second + 1) - second.second)
        at = (second.round - 1) * length + second.second
        for operation, latency, count, times in _answers(second):
            rate = round(count / width, 1) if width > LEAST_WIDTH else None
            point = (at, rate, _ms(times.p50), _ms(times.p99 or times.max))
            lines[operation, latency, second.subject].append((second.round, point))
    found: dict[str, dict[str, dict[str, list[Point | None]]]] = {}
    for (operation, latency, store), points in sorted(lines.items()):
        found.setdefault(operation, {}).setdefault(latency, {})[store] = _line(points)
    return {"title": title, "operations": found}


def _answers(second: Second) -> Iterator[tuple[str, str, int, LatencySummary]]:
    """Each operation's right answers, by latency."""
    for each in second.operations:
        if each.outcome == OK:
            name = label(each.operation, each.pool)
            for latency, times in ((RESPONSE, each.response_us), (SERVICE, each.service_us)):
                if times is not None:
                    yield name, latency, each.count, times


def _ms(us: float | None) -> float | None:
    return None if us is None else round(us / 1000, 3)


def _line(points: Sequence[tuple[int, Point]]) -> list[Point | None]:
    """The points of all rounds, thinned, with a gap after each round."""
    step = -(-len(points) // MOST_POINTS)
    rounds = ([point for _, point in some] for _, some in groupby(points, key=lambda each: each[0]))
    gapped = ([*_thinned(some, step), None] for some in rounds)
    return list(chain.from_iterable(gapped))[:-1]


def _thinned(points: Sequence[Point], step: int) -> list[Point]:
    """One point for `step`: the mean rate, the worst median and the worst tail of them."""
    if step == 1:
        return list(points)
    return [_together(points[at : at + step]) for at in range(0, len(points), step)]


def _together(points: Sequence[Point]) -> Point:
    _, rates, medians, tails = (
        [each for each in row if each is not None] for row in zip(*points, strict=True)
    )
    rate = round(sum(rates) / len(rates), 1) if rates else None
    return points[0][0], rate, max(medians, default=None), max(tails, default=None)
