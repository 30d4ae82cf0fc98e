"""A run second by second, as charts draw it: the rate, the median and the tail of each store."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import Any

from bench.disk.results import OK, Run, Times
from bench.disk.streams import Second
from bench.figures.cuts import Cut, cut, spoiled, steady
from bench.figures.summary import RESPONSE, SERVICE
from bench.figures.views import label
from bench.figures.wording import amount

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
    charts: dict[str, dict[tuple[Cut, float], Second]] = defaultdict(dict)
    for second in seconds:
        if cut(second) not in void:
            charts[_title(second, whole)][cut(second), second.second] = second
    return [_chart(title, list(found.values()), ends) for title, found in charts.items()]


def _title(second: Second, told: bool) -> str:
    load = (second.users, second.rate, second.processes, second.slow_rate)
    under = amount(*load) if told else ""
    return ", ".join(filter(None, (second.variant, second.mix, under)))


def _chart(title: str, seconds: Sequence[Second], ends: dict[Cut, float]) -> dict[str, Any]:
    length = max(second.second for second in seconds) + 1
    lines: dict[tuple[str, str, str], list[tuple[int, Point]]] = defaultdict(list)
    for second in sorted(seconds, key=lambda each: (each.round, each.second)):
        width = min(1.0, ends.get(cut(second), second.second + 1) - second.second)
        at = (second.round - 1) * length + second.second
        for operation, latency, count, times in _answers(second):
            rate = round(count / width, 1) if width > LEAST_WIDTH else None
            point = (at, rate, _ms(times.p50), _ms(times.p99 or times.max))
            lines[operation, latency, second.store].append((second.round, point))
    found: dict[str, dict[str, dict[str, list[Point | None]]]] = {}
    for (operation, latency, store), points in sorted(lines.items()):
        found.setdefault(operation, {}).setdefault(latency, {})[store] = _line(points)
    return {"title": title, "operations": found}


def _answers(second: Second) -> Iterator[tuple[str, str, int, Times]]:
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
