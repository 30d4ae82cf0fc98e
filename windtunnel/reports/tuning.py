"""What a tuner found, in words and as a table: in a terminal, and for a report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from string import ascii_uppercase

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from windtunnel.analysis.wording import NO_FIGURE, counted, number
from windtunnel.recording import tuning_results
from windtunnel.recording.tuning_results import Estimate, SplitResult, TuningResult
from windtunnel.reports.plan import checked, margin, rate
from windtunnel.tuning.layout import read

# A scatter plot in a terminal: as many lines as it needs, a letter a point.


WIDTH, HEIGHT = 56, 14

Point = tuple[float, float]
"""Across and up, both more than 0."""


def scatter(
    points: Mapping[str, Point], front: Sequence[str], across: str, up: str
) -> Iterator[str]:
    """Lines of the plot; up is a log scale. Letters go by the order of `points`, `*` is several.

    Those on the front are capitals, the others small.
    """
    shown = {name: at for name, at in points.items() if at[1] > 0 and math.isfinite(at[1])}
    if not shown:
        return
    low, high = _ends([math.log10(at[1]) for at in shown.values()])
    left, right = 0.0, max(at[0] for at in shown.values()) * 1.05 or 1.0
    grid = [[" "] * WIDTH for _ in range(HEIGHT)]
    for name, (x, y) in shown.items():
        column = round((x - left) / (right - left) * (WIDTH - 1))
        row = round((high - math.log10(y)) / (high - low) * (HEIGHT - 1))
        grid[row][column] = letter(points, front, name) if grid[row][column] == " " else "*"
    yield up
    for row, line in enumerate(grid):
        mark = 10 ** (high - (high - low) * row / (HEIGHT - 1))
        label = f"{mark:.3g}" if row % 3 == 0 or row == HEIGHT - 1 else ""
        yield f"{label:>8} |{''.join(line).rstrip()}"
    yield f"{'':>8} +{'-' * WIDTH}"
    yield f"{'':>9} 0{across:^{WIDTH - 8}}{right:.3g}"


def letter(points: Mapping[str, Point], front: Sequence[str], name: str) -> str:
    """What a point is drawn with."""
    place = list(points).index(name) % len(ascii_uppercase)
    return ascii_uppercase[place] if name in front else ascii_uppercase[place].lower()


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = max((high - low) * 0.1, 0.05)
    return low - room, high + room


HEADS = ("split", "rounds", "fast p99", "model", "slow/s", "model", "objectives", "given up")
ACROSS, UP = "slow work done, requests/s", "fast p99, ms (log scale)"


def show(found: TuningResult, console: Console) -> None:
    """Print the answer, the table, the plot."""
    for line in lines(found):
        console.print(line, markup=False, soft_wrap=True)
    console.print()
    console.print(_table(found))
    console.print(
        "Given up or not, all stand on the rounds that they had; * is on Pareto's front.",
        style="dim",
    )
    console.print()
    for line in plot(found):
        console.print(line, markup=False, highlight=False, no_wrap=True, overflow="crop")


def lines(found: TuningResult) -> Iterator[str]:
    """The answer: recommended, runner-up, margin, why it ended, what was set, the model's error."""
    by_name = {each.name: each for each in found.tried}
    best = by_name.get(found.recommended or "")
    if best is None:
        yield "Nothing could be measured, so no split is recommended."
    else:
        yield f"Recommended: {told(best)}"
        if not best.holds:
            yield "No split holds the objectives: this one is the nearest."
        yield from _rivals(found, by_name)
        yield from _unmeasured(found)
    yield f"Ended: {found.ended}."
    if found.doubtful:
        yield (
            f"Doubtful: in {found.doubtful} of {counted(found.cells, 'cell')} the generator was "
            "the limit, as where other programs need the cores; the splits may be better than that."
        )
    yield _set(found)
    yield checked(tuning_results.model_error(found.tried), "these")
    if found.apply_s:
        cleans = found.clean_s or [0.0]
        yield (
            f"{counted(len(found.apply_s), 'change')} of the split: {_middle(found.apply_s):.2f} s "
            f"until it served, {_middle(cleans):.2f} s until no old worker was left (medians)."
        )


def _rivals(found: TuningResult, by_name: dict[str, SplitResult]) -> Iterator[str]:
    second = by_name.get(found.runner_up or "")
    if second is not None:
        yield f"Runner-up: {told(second)}{_ratio(found.ratio, second)}"
    if found.ties:
        former = " (the former split, so nothing has to change)"
        kept = former if found.recommended == found.former else ""
        yield f"A tie: {', '.join(found.ties)} cannot be told from it{kept}."


def _ratio(ratio: Estimate | None, second: SplitResult) -> str:
    if ratio is None or ratio.estimate is None:
        return "; too few common rounds for a margin to the recommended"
    reach = f" [{ratio.low:.2g}, {ratio.high:.2g}]" if ratio.low and ratio.high else ""
    slo = min(second.objectives, key=lambda each: each.margin or 0.0).slo
    return f"; {ratio.estimate:.2g}{reach} times the recommended in {slo}"


def told(one: SplitResult) -> str:
    """A layout with its objectives and its slow work."""
    judged = "; ".join(
        f"{each.slo}, {each.kind} work: {'holds' if each.holds else 'broken'}, "
        f"{margin(each.margin or 0.0)}"
        for each in one.objectives
    )
    done = f"slow work {rate(one.slow_rps.estimate or 0.0)}/s"
    figures = f"fast p99 {ms(one.fast_p99_us)}, {done}"
    return f"{one.name} ({read(one.name).description}): {figures}; {judged}"


def _set(found: TuningResult) -> str:
    if found.applied:
        how = (
            "it was in force already"
            if found.recommended == found.former
            else ("windtunnel split undo takes it back")
        )
        return f"Set: {found.recommended}; {how}."
    hint = "With --apply the recommended one is set." if found.holds else "Nothing is set."
    former = f": {found.former}" if found.former else ""
    return f"The split is again as it was{former}. {hint}"


def _unmeasured(found: TuningResult) -> Iterator[str]:
    """That the recommended split was not compared with what there was, where that is so."""
    if found.former in {each.name for each in found.tried}:
        return
    what = (
        f"The former split, {found.former},"
        if found.former
        else "The former split (weights, balances that differ or another pool: no plain layout)"
    )
    yield f"{what} was not measured, so the recommended one was not compared with it."


def ms(figure: Estimate) -> str:
    """A time in ms with its interval."""
    if figure.estimate is None:
        return NO_FIGURE
    value = f"{number(figure.estimate / 1000)} ms"
    if figure.low is None or figure.high is None:
        return value
    return f"{value} [{number(figure.low / 1000)}, {number(figure.high / 1000)}]"


def plot(found: TuningResult) -> Iterator[str]:
    """Fast p99 against slow work done."""
    points = {
        each.name: (each.slow_rps.estimate or 0.0, (each.fast_p99_us.estimate or 0.0) / 1000)
        for each in found.tried
    }
    front = [each.name for each in found.tried if each.front]
    yield from scatter(points, front, ACROSS, UP)
    yield "; ".join(f"{letter(points, front, name)} {name}" for name in points)
    yield "capitals: Pareto's front"


def _table(found: TuningResult) -> Table:
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for place, name in enumerate(HEADS):
        grid.add_column(name, justify="right" if 0 < place < 6 else "left")
    for each in found.tried:
        grid.add_row(*map(escape, row(each)), style=None if each.holds else "dim")
    return grid


def row(each: SplitResult) -> tuple[str, ...]:
    """A line of the table."""
    predicted = Estimate(estimate=each.predicted_fast_p99_us.estimate)
    margins = min((one.margin or 0.0 for one in each.objectives), default=0.0)
    return (
        each.name + ("*" if each.front else ""),
        str(each.rounds),
        ms(each.fast_p99_us),
        ms(predicted),
        _rate(each.slow_rps),
        _rate(each.predicted_slow_rps),
        f"{'hold' if each.holds else 'broken'}, {margin(margins)}",
        each.pruned or "",
    )


def _rate(figure: Estimate) -> str:
    return NO_FIGURE if figure.estimate is None else rate(figure.estimate)


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
