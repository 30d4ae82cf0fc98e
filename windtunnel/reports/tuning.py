"""The result of a tuner, in words and as a table: in a terminal, and for a report."""

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
from windtunnel.reports.plan import margin_line, model_error_line, rate
from windtunnel.tuning.layout import read

HEADS = ("split", "rounds", "fast p99", "model", "slow/s", "model", "objectives", "dropped early")
ACROSS, UP = "slow work done, requests/s", "fast p99, ms (log scale)"


def show(result: TuningResult, console: Console) -> None:
    """Print the answer, the table, the plot."""
    for line in lines(result):
        console.print(line, markup=False, soft_wrap=True)
    console.print()
    console.print(_table(result))
    console.print(
        "Dropped early or not, all stand on the rounds that they had; * is on Pareto's front.",
        style="dim",
    )
    console.print()
    for line in plot(result):
        console.print(line, markup=False, highlight=False, no_wrap=True, overflow="crop")


def lines(result: TuningResult) -> Iterator[str]:
    """The answer: recommended, runner-up, margin, why it ended, what was set, the model's error."""
    by_name = {split.name: split for split in result.tried}
    best = by_name.get(result.recommended or "")
    if best is None:
        yield "Nothing could be measured, so no split is recommended."
    else:
        yield f"Recommended: {split_line(best)}"
        if not best.holds:
            yield "No split holds the objectives: this one is the nearest."
        yield from _rivals(result, by_name)
        yield from _unmeasured(result)
    yield f"Ended: {result.ended}."
    if result.doubtful:
        yield (
            f"Doubtful: in {result.doubtful} of {counted(result.cells, 'cell')} the generator was "
            "the limit, as where other programs need the cores; the splits may be better than that."
        )
    yield _change(result)
    yield model_error_line(tuning_results.model_error(result.tried), "these")
    if result.apply_s:
        clean_s = result.clean_s or [0.0]
        yield (
            f"{counted(len(result.apply_s), 'change')} of the split: active after "
            f"{_median(result.apply_s):.2f} s, old workers drained after {_median(clean_s):.2f} s "
            "(medians)."
        )


def _rivals(result: TuningResult, by_name: dict[str, SplitResult]) -> Iterator[str]:
    second = by_name.get(result.runner_up or "")
    if second is not None:
        yield f"Runner-up: {split_line(second)}{_ratio(result.ratio, second)}"
    if result.ties:
        former = " (the former split, so nothing has to change)"
        kept = former if result.recommended == result.former else ""
        yield f"A tie: {', '.join(result.ties)} do not differ from it{kept}."


def _ratio(ratio: Estimate | None, second: SplitResult) -> str:
    if ratio is None or ratio.estimate is None:
        return "; too few common rounds for a margin to the recommended"
    reach = f" [{ratio.low:.2g}, {ratio.high:.2g}]" if ratio.low and ratio.high else ""
    slo = min(second.objectives, key=lambda objective: objective.margin or 0.0).slo
    return f"; {ratio.estimate:.2g}x the recommended{reach} in {slo}"


def split_line(split: SplitResult) -> str:
    """A layout with its objectives and its slow work."""
    objectives = "; ".join(
        f"{objective.slo}, {objective.kind} work: {'holds' if objective.holds else 'broken'}, "
        f"{margin_line(objective.margin or 0.0)}"
        for objective in split.objectives
    )
    slow_work = f"slow work {rate(split.slow_rps.estimate or 0.0)}/s"
    figures = f"fast p99 {ms(split.fast_p99_us)}, {slow_work}"
    return f"{split.name} ({read(split.name).description}): {figures}; {objectives}"


def _change(result: TuningResult) -> str:
    if result.applied:
        is_unchanged = result.recommended == result.former
        note = "it was active already" if is_unchanged else "windtunnel split undo takes it back"
        return f"Set: {result.recommended}; {note}."
    hint = "With --apply the recommended one is set." if result.holds else "Nothing is set."
    former = f": {result.former}" if result.former else ""
    return f"The split is again as it was{former}. {hint}"


def _unmeasured(result: TuningResult) -> Iterator[str]:
    """That the recommended split was not compared with what there was, where that is so."""
    if result.former in {split.name for split in result.tried}:
        return
    former = (
        f"The former split, {result.former},"
        if result.former
        else "The former split (weights, balances that differ or another pool: no plain layout)"
    )
    yield f"{former} was not measured, so the recommended one was not compared with it."


def ms(figure: Estimate) -> str:
    """A time in ms with its interval."""
    if figure.estimate is None:
        return NO_FIGURE
    value = f"{number(figure.estimate / 1000)} ms"
    if figure.low is None or figure.high is None:
        return value
    return f"{value} [{number(figure.low / 1000)}, {number(figure.high / 1000)}]"


def plot(result: TuningResult) -> Iterator[str]:
    """Fast p99 against slow work done."""
    points = {
        split.name: (split.slow_rps.estimate or 0.0, (split.fast_p99_us.estimate or 0.0) / 1000)
        for split in result.tried
    }
    front = [split.name for split in result.tried if split.front]
    yield from scatter(points, front, ACROSS, UP)
    yield "; ".join(f"{letter(points, front, name)} {name}" for name in points)
    yield "capitals: Pareto's front"


def _table(result: TuningResult) -> Table:
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for place, name in enumerate(HEADS):
        grid.add_column(name, justify="right" if 0 < place < 6 else "left")
    for split in result.tried:
        grid.add_row(*map(escape, row(split)), style=None if split.holds else "dim")
    return grid


def row(split: SplitResult) -> tuple[str, ...]:
    """A line of the table."""
    predicted = Estimate(estimate=split.predicted_fast_p99_us.estimate)
    margin = min((objective.margin or 0.0 for objective in split.objectives), default=0.0)
    return (
        split.name + ("*" if split.front else ""),
        str(split.rounds),
        ms(split.fast_p99_us),
        ms(predicted),
        _rate(split.slow_rps),
        _rate(split.predicted_slow_rps),
        f"{'hold' if split.holds else 'broken'}, {margin_line(margin)}",
        split.pruned or "",
    )


def _rate(figure: Estimate) -> str:
    return NO_FIGURE if figure.estimate is None else rate(figure.estimate)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


WIDTH, HEIGHT = 56, 14

Point = tuple[float, float]
"""Across and up, both more than 0."""


def scatter(
    points: Mapping[str, Point], front: Sequence[str], across: str, up: str
) -> Iterator[str]:
    """Lines of the plot; up is a log scale. Letters go by the order of `points`, `*` is several.

    Those on the front are capitals, the others small.
    """
    shown = {name: (x, y) for name, (x, y) in points.items() if y > 0 and math.isfinite(y)}
    if not shown:
        return
    low, high = _ends([math.log10(y) for _, y in shown.values()])
    left, right = 0.0, max(x for x, _ in shown.values()) * 1.05 or 1.0
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
