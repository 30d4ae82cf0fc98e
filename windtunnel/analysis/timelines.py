"""A run second by second, as charts draw it: the rate, the median and the tail of each store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import Any

from windtunnel.analysis.keys import OperationKey, StoreKey, has_ranked_variants, store_key
from windtunnel.analysis.metrics import RESPONSE, SERVICE
from windtunnel.analysis.validity import cell_key, clean_cells, has_steady_load, void_keys
from windtunnel.analysis.wording import load_amount
from windtunnel.recording.conditions import Conditions
from windtunnel.recording.results import OK, Run
from windtunnel.recording.series import Second, SecondLatencies

MAX_POINTS = 1_500
"""Points of a line; of more seconds than that several make one point."""

MIN_WIDTH = 0.05
"""Seconds: the rate of a shorter rest of a cell says nothing."""

Point = tuple[float, float | None, float | None, float | None]
"""Second, successful answers a second, median and tail in ms."""

LineKey = tuple[OperationKey, str, StoreKey]
"""Operation, latency and store."""


def timelines(run: Run, seconds: Iterable[Second]) -> list[dict[str, Any]]:
    """Return a chart for each load as JSON-ready data: by operation, latency and store, `Point`s.

    Rounds stand one after the other, each as long as the longest, with a gap (a point of None)
    between them. A cell that was spoiled and measured again is left out. The tail is p99, or the
    slowest answer of a second that had too few for it. A load that was changed while it ran, as
    Locust's can be, is one chart.
    """
    durations = {cell_key(cell): cell.seconds for cell in clean_cells(run.cells)}
    void, steady, by_variant = void_keys(run.cells), has_steady_load(run), has_ranked_variants(run)
    charts: dict[str, dict[tuple[Conditions, float], Second]] = defaultdict(dict)
    for second in seconds:
        key = cell_key(second)
        if key not in void:
            title = _title(second, steady=steady, by_variant=by_variant)
            charts[title][key, second.second] = second
    return [
        _chart(title, list(rows.values()), durations, by_variant=by_variant)
        for title, rows in charts.items()
    ]


def _title(second: Second, *, steady: bool, by_variant: bool) -> str:
    variant = None if by_variant else second.variant
    amount = load_amount(second) if steady else ""
    return ", ".join(filter(None, (variant, second.mix, amount)))


def _chart(
    title: str, seconds: Sequence[Second], durations: dict[Conditions, float], *, by_variant: bool
) -> dict[str, Any]:
    length = max(second.second for second in seconds) + 1
    lines: dict[LineKey, list[tuple[int, Point]]] = defaultdict(list)
    for second in sorted(seconds, key=lambda second: (second.round, second.second)):
        duration = durations.get(cell_key(second), second.second + 1)
        width = min(1.0, duration - second.second)
        time = (second.round - 1) * length + second.second
        store = store_key(second, by_variant=by_variant)
        for operation, latency, count, times in _answers(second):
            rate = round(count / width, 1) if width > MIN_WIDTH else None
            point = (time, rate, _ms(times.p50), _ms(times.p99 or times.max))
            lines[operation, latency, store].append((second.round, point))
    operations: dict[str, dict[str, dict[str, list[Point | None]]]] = {}
    for (operation, latency, store), points in sorted(lines.items(), key=_line_order):
        by_latency = operations.setdefault(str(operation), {})
        by_latency.setdefault(latency, {})[str(store)] = _line(points)
    return {"title": title, "operations": operations}


def _line_order(line: tuple[LineKey, object]) -> tuple[str, str, str]:
    operation, latency, store = line[0]
    return str(operation), latency, str(store)


def _answers(second: Second) -> Iterator[tuple[OperationKey, str, int, SecondLatencies]]:
    """Each operation's successful answers, by latency."""
    for result in second.operations:
        if result.outcome == OK:
            key = OperationKey(result.operation, result.pool)
            for latency, times in ((RESPONSE, result.response_us), (SERVICE, result.service_us)):
                if times is not None:
                    yield key, latency, result.count, times


def _ms(us: float | None) -> float | None:
    return None if us is None else round(us / 1000, 3)


def _line(points: Sequence[tuple[int, Point]]) -> list[Point | None]:
    """The points of all rounds, thinned, with a gap after each round."""
    step = -(-len(points) // MAX_POINTS)
    gapped = (
        [*_thinned([point for _, point in rows], step), None]
        for _, rows in groupby(points, key=lambda row: row[0])
    )
    return list(chain.from_iterable(gapped))[:-1]


def _thinned(points: Sequence[Point], step: int) -> list[Point]:
    """One point for `step`: the mean rate, the worst median and the worst tail of them."""
    if step == 1:
        return list(points)
    return [_merged(points[start : start + step]) for start in range(0, len(points), step)]


def _merged(points: Sequence[Point]) -> Point:
    _, rates, medians, tails = (
        [value for value in column if value is not None] for column in zip(*points, strict=True)
    )
    rate = round(sum(rates) / len(rates), 1) if rates else None
    return points[0][0], rate, max(medians, default=None), max(tails, default=None)
