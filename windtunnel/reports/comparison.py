"""What `windtunnel compare` prints: differences, comparisons, how to read them, verdicts."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from windtunnel.analysis.keys import TableLoad
from windtunnel.analysis.metrics import METRICS
from windtunnel.analysis.summary import (
    OVERALL,
    Comparison,
    ComparisonSummary,
    Outcome,
    State,
    Verdict,
)
from windtunnel.analysis.wording import NO_FIGURE, counted, number, scaled

STYLES = {
    Outcome.FASTER: "green",
    Outcome.SLOWER: "red",
    Outcome.SAME: "",
    Outcome.INCONCLUSIVE: "dim",
}
MAX_LINES = 8
"""So many verdicts on one objective are written out."""

STATE_STYLES = {State.HOLDS: "green", State.FAILS: "bold red", State.INCONCLUSIVE: "yellow"}


def show(compared: ComparisonSummary, console: Console) -> None:
    """Print a comparison, as narrow as the console is."""
    console.rule(f"[bold]{escape(compared.second)} compared with {escape(compared.first)}[/]")
    _differences(compared, console)
    for caveat in compared.caveats:
        say(console, caveat, "! ", "yellow")
    for load in dict.fromkeys(comparison.load for comparison in compared.comparisons):
        _table(compared, load, console)
    say(console, explanation(compared), style="dim")
    show_verdicts(compared.verdicts, console)


def gist(compared: ComparisonSummary) -> Iterator[str]:
    """The result in a few lines: how many figures differ, then those of all requests that do."""
    counts = Counter(comparison.outcome for comparison in compared.comparisons)
    tally = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
    yield f"of {counted(len(compared.comparisons), 'figure')}: {tally}"
    decided = [
        comparison
        for comparison in compared.comparisons
        if comparison.outcome in {Outcome.FASTER, Outcome.SLOWER} and _is_overall(comparison)
    ]
    for comparison in decided[:MAX_LINES]:
        *names, first, second, ratio, outcome = row(comparison)
        yield f"{outcome}: {', '.join(names)}: {second} against {first}, ratio {ratio}"
    if len(decided) > MAX_LINES:
        yield f"and {len(decided) - MAX_LINES} more"


def _is_overall(comparison: Comparison) -> bool:
    """Whether it is of all requests, or all of a stream, and not one operation's."""
    return comparison.operation == OVERALL or comparison.stream is not None


def show_verdicts(verdicts: Sequence[Verdict], console: Console) -> None:
    """Print how often each objective held, and where it did not."""
    if not verdicts:
        return
    console.print("\n[bold]Objectives[/]")
    for slo, group in by_slo(verdicts).items():
        say(console, f"{slo}: {tally(group)}")
        shown = [verdict for verdict in group if verdict.state is not State.HOLDS]
        for verdict in shown[:MAX_LINES]:
            say(console, slo_verdict_line(verdict), "    ", STATE_STYLES[verdict.state])
        if rest := len(shown[MAX_LINES:]):
            say(console, f"and {rest} more: see report.html or --json", "    ", "dim")


def by_slo(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    """The verdicts on each objective, those that failed first, then the inconclusive ones."""
    groups: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        groups.setdefault(verdict.slo, []).append(verdict)
    order = [State.FAILS, State.INCONCLUSIVE, State.HOLDS]
    return {slo: sorted(group, key=lambda v: order.index(v.state)) for slo, group in groups.items()}


def tally(verdicts: Iterable[Verdict]) -> str:
    """How many failed, were inconclusive, and held."""
    counts = Counter(verdict.state for verdict in verdicts)
    words = {State.FAILS: "failed", State.INCONCLUSIVE: "inconclusive", State.HOLDS: "held"}
    return ", ".join(f"{counts[state]} {word}" for state, word in words.items() if counts[state])


def slo_verdict_line(verdict: Verdict) -> str:
    """A verdict in one line."""
    load = load_line(verdict.load) if verdict.load else None
    subject = ", ".join(filter(None, (verdict.store, verdict.operation, load)))
    parts = [f"{verdict.state}: {verdict.slo}", subject, value_found(verdict), verdict.why]
    return "; ".join(part for part in parts if part)


def value_found(verdict: Verdict) -> str | None:
    """The measured value, in the unit that the objective is written in."""
    if verdict.found is None:
        return None
    if verdict.slo.startswith(("failures", "regression")):
        return f"found {100 * verdict.found:.3g} %"
    if verdict.slo.startswith("throughput"):
        return f"found {number(verdict.found)}/s"
    return f"found {number(verdict.found / 1000)} ms"


def load_line(load: TableLoad) -> str:
    """A load in a few words."""
    amount = (
        f"{load.rate:g} requests/s open"
        if load.open
        else f"{counted(load.users or 0, 'user')} closed"
    )
    slow = "" if load.slow_rate is None else f"{load.slow_rate:g}/s slow"
    amount += f" + {load.beside or slow}" if load.beside or slow else ""
    processes = f", {load.processes} processes" if load.processes > 1 else ""
    variant = f", {load.variant}" if load.variant else ""
    return f"{load.mix}, {amount}{processes}{variant}"


def explanation(compared: ComparisonSummary) -> str:
    """How the verdicts were reached."""
    method = "in pairs, as both were measured in each round" if compared.interleaved else "apart"
    return (
        f"Ratio: {compared.second} to {compared.first}, with its 95 % interval over whole rounds, "
        f"resampled {method}. Faster and slower are Holm-corrected over all rows; no difference: "
        "the interval lies within 5 % of equal; all else is inconclusive with these rounds."
    )


def _differences(compared: ComparisonSummary, console: Console) -> None:
    if not compared.differences:
        console.print(Text("Environment, settings and ledgers are the same.", style="dim"))
        return
    console.print("[bold]Other differences[/]")
    for line in compared.differences:
        say(console, line)


def _table(compared: ComparisonSummary, load: TableLoad, console: Console) -> None:
    console.print(f"\n[bold]{escape(load_line(load))}[/]  [dim]{escape(load.kind)}[/]")
    grid = Grid(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    heads = ("store", "", "figure", compared.first, compared.second, "ratio", "verdict")
    for head in heads:
        right = head in {compared.first, compared.second}
        grid.add_column(escape(head), justify="right" if right else "left", overflow="fold")
    for comparison in compared.comparisons:
        if comparison.load == load:
            style = STYLES[comparison.outcome]
            grid.add_row(*map(escape, row(comparison)), style=style)
    console.print(grid)


def row(comparison: Comparison) -> Iterator[str]:
    """The cells of a comparison's line."""
    metric = METRICS[comparison.metric]
    yield comparison.store
    yield comparison.operation
    yield f"{metric.label}, {metric.unit}"
    for value in (comparison.first, comparison.second):
        yield NO_FIGURE if value is None else number(scaled(comparison.metric, value))
    yield ratio_cell(comparison)
    yield f"{comparison.outcome}{f': {comparison.why}' if comparison.why else ''}"


def ratio_cell(comparison: Comparison) -> str:
    """The ratio with its interval."""
    ratio, low, high = comparison.ratio, comparison.low, comparison.high
    if ratio is None or low is None or high is None:
        return NO_FIGURE
    return f"{ratio:.3f} [{low:.3f}, {high:.3f}]"


def say(console: Console, text: str, indent: str = "  ", style: str = "") -> None:
    """Print a paragraph, wrapped."""
    wrapped = textwrap.fill(
        text,
        console.width,
        initial_indent=indent,
        subsequent_indent=" " * len(indent) + "  ",
        break_on_hyphens=False,
    )
    console.print(Text(wrapped, style=style))
