"""A ranked table in a terminal: as many columns as there is room for."""

from collections.abc import Iterator
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from windtunnel.analysis.metrics import METRICS
from windtunnel.analysis.summary import Score, Table, TableRow
from windtunnel.analysis.wording import NO_FIGURE, estimate_text, interval, listed, missing, ratio
from windtunnel.reports.comparison import say

GAP = 2


def show(table: Table, console: Console) -> None:
    """Print a table, as narrow as the console is, and what is missing in it."""
    console.print(f"\n[bold underline]{escape(table.subject)}[/]  [dim]{escape(table.title)}[/]")
    metrics, extras = _fitting(table, console.width)
    grid = Grid(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    for name in _headers(metrics, extras):
        grid.add_column(name, justify="left" if name == "store" else "right", overflow="fold")
    for row in table.rows:
        if row.scores:
            cells = map(escape, _cells(row, metrics, extras))
            grid.add_row(*cells, style="dim" if row.unranked else None)
    console.print(grid)
    for note in [*missing(table, metrics), *_remarks(table, metrics)]:
        say(console, note, style="dim")


class Extras(NamedTuple):
    """What stands beside the figures where there is room: their intervals, the ratio to the best.

    The ratio is of the first figure, by which the stores are in order.
    """

    intervals: bool
    ratios: bool


PREFERRED = (Extras(True, True), Extras(True, False), Extras(False, True))


def _fitting(table: Table, width: int) -> tuple[list[str], Extras]:
    """As many columns as there is room for; what stands beside goes first, one column stays."""
    several = (
        sum(row.scores[table.metrics[0]].ratio is not None for row in _measured_rows(table)) > 1
    )
    for extras in PREFERRED if several else (Extras(True, False),):
        if _width(table, table.metrics, extras) <= width:
            return table.metrics, extras
    metrics, bare = list(table.metrics), Extras(False, False)
    while len(metrics) > 1 and _width(table, metrics, bare) > width:
        metrics.pop()
    return metrics, bare


def _measured_rows(table: Table) -> list[TableRow]:
    return [row for row in table.rows if row.scores]


def _width(table: Table, metrics: list[str], extras: Extras) -> int:
    lines = [list(_cells(row, metrics, extras)) for row in _measured_rows(table)]
    columns = zip(_headers(metrics, extras), *lines, strict=True)
    return sum(max(map(_text_width, column)) + GAP for column in columns)


def _text_width(text: str) -> int:
    return max(map(len, text.split("\n")))


def _headers(metrics: list[str], extras: Extras) -> list[str]:
    """Two lines where the label has a prefix, so that a column is as narrow as its figures."""
    labels = (METRICS[name].label.rpartition(" ") for name in metrics)
    heads = [f"{before}\n{last}" if before else last for before, _, last in labels]
    units = (METRICS[name].unit for name in metrics)
    first, *others = (f"{head}, {unit}" for head, unit in zip(heads, units, strict=True))
    return ["#", "store", first, *(["x best"] if extras.ratios else []), *others]


def _cells(row: TableRow, metrics: list[str], extras: Extras) -> Iterator[str]:
    first = row.scores[metrics[0]]
    yield "ref" if row.reference else str(first.place or NO_FIGURE)
    yield row.store + ("*" if row.flags else "")
    for metric in metrics:
        yield _score(metric, row.scores[metric], extras.intervals, place=metric != metrics[0])
        if extras.ratios and metric == metrics[0]:
            yield ratio(first) or NO_FIGURE


def _score(metric: str, score: Score, intervals: bool, *, place: bool) -> str:
    parts = [estimate_text(metric, score), interval(metric, score) if intervals else ""]
    if place and score.place is not None:
        parts.append(f"({score.place})")
    return " ".join(part for part in parts if part)


def _remarks(table: Table, metrics: list[str]) -> Iterator[str]:
    for row in table.rows:
        if row.unranked and not row.reference:
            yield f"not ranked: {row.store}: {row.unranked}"
    flagged = [row.store for row in table.rows if row.flags]
    if flagged:
        yield f"* has flagged cells: {listed(flagged, 2)}"
    left_out = [METRICS[name].label for name in table.metrics if name not in metrics]
    if left_out:
        yield f"no room here for {listed(left_out)}: see report.html"
