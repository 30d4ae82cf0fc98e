"""What a tuner found, in words and as a table: in a terminal, and for a report."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.disk import tuned
from bench.disk.tuned import Figure, Tried, Tuned
from bench.figures.wording import NO_FIGURE, counted, number
from bench.reports.plan_text import checked, margin, rate
from bench.reports.scatter import letter, scatter
from bench.tuner.division import read

HEADS = ("split", "rounds", "fast p99", "model", "slow/s", "model", "objectives", "given up")
ACROSS, UP = "slow work done, requests/s", "fast p99, ms (log scale)"


def show(found: Tuned, console: Console) -> None:
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


def lines(found: Tuned) -> Iterator[str]:
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
    yield checked(tuned.error(found.tried), "these")
    if found.apply_s:
        cleans = found.clean_s or [0.0]
        yield (
            f"{counted(len(found.apply_s), 'change')} of the split: {_middle(found.apply_s):.2f} s "
            f"until it served, {_middle(cleans):.2f} s until no old worker was left (medians)."
        )


def _rivals(found: Tuned, by_name: dict[str, Tried]) -> Iterator[str]:
    second = by_name.get(found.runner_up or "")
    if second is not None:
        yield f"Runner-up: {told(second)}{_ratio(found.ratio, second)}"
    if found.ties:
        former = " (the former split, so nothing has to change)"
        kept = former if found.recommended == found.former else ""
        yield f"A tie: {', '.join(found.ties)} cannot be told from it{kept}."


def _ratio(ratio: Figure | None, second: Tried) -> str:
    if ratio is None or ratio.estimate is None:
        return "; too few common rounds for a margin to the recommended"
    reach = f" [{ratio.low:.2g}, {ratio.high:.2g}]" if ratio.low and ratio.high else ""
    slo = min(second.objectives, key=lambda each: each.margin or 0.0).slo
    return f"; {ratio.estimate:.2g}{reach} times the recommended in {slo}"


def told(one: Tried) -> str:
    """A division with its objectives and its slow work."""
    judged = "; ".join(
        f"{each.slo}, {each.kind} work: {'holds' if each.holds else 'broken'}, "
        f"{margin(each.margin or 0.0)}"
        for each in one.objectives
    )
    done = f"slow work {rate(one.slow_rps.estimate or 0.0)}/s"
    return f"{one.name} ({read(one.name).told}): fast p99 {ms(one.fast_p99_us)}, {done}; {judged}"


def _set(found: Tuned) -> str:
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


def _unmeasured(found: Tuned) -> Iterator[str]:
    """That the recommended split was not compared with what there was, where that is so."""
    if found.former in {each.name for each in found.tried}:
        return
    what = (
        f"The former split, {found.former},"
        if found.former
        else "The former split (weights, balances that differ or another pool: no plain division)"
    )
    yield f"{what} was not measured, so the recommended one was not compared with it."


def ms(figure: Figure) -> str:
    """A time in ms with its interval."""
    if figure.estimate is None:
        return NO_FIGURE
    value = f"{number(figure.estimate / 1000)} ms"
    if figure.low is None or figure.high is None:
        return value
    return f"{value} [{number(figure.low / 1000)}, {number(figure.high / 1000)}]"


def plot(found: Tuned) -> Iterator[str]:
    """Fast p99 against slow work done."""
    points = {
        each.name: (each.slow_rps.estimate or 0.0, (each.fast_p99_us.estimate or 0.0) / 1000)
        for each in found.tried
    }
    front = [each.name for each in found.tried if each.front]
    yield from scatter(points, front, ACROSS, UP)
    yield "; ".join(f"{letter(points, front, name)} {name}" for name in points)
    yield "capitals: Pareto's front"


def _table(found: Tuned) -> Table:
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for place, name in enumerate(HEADS):
        grid.add_column(name, justify="right" if 0 < place < 6 else "left")
    for each in found.tried:
        grid.add_row(*map(escape, row(each)), style=None if each.holds else "dim")
    return grid


def row(each: Tried) -> tuple[str, ...]:
    """A line of the table."""
    predicted = Figure(estimate=each.predicted_fast_p99_us.estimate)
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


def _rate(figure: Figure) -> str:
    return NO_FIGURE if figure.estimate is None else rate(figure.estimate)


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
