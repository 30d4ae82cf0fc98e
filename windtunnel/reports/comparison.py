"""What `windtunnel compare` prints: what differs first, then verdicts, then how to read them."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from windtunnel.analysis.summary import (
    METRICS,
    OVERALL,
    Compared,
    Comparison,
    Outcome,
    State,
    TableLoad,
    Verdict,
)
from windtunnel.analysis.wording import NO_FIGURE, counted, number, scaled

STYLES = {
    Outcome.FASTER: "green",
    Outcome.SLOWER: "red",
    Outcome.SAME: "",
    Outcome.INCONCLUSIVE: "dim",
}
MOST = 8
"""So many verdicts on one objective are written out."""

VERDICTS = {State.HOLDS: "green", State.FAILS: "bold red", State.INCONCLUSIVE: "yellow"}


def show(compared: Compared, console: Console) -> None:
    """Print a comparison, as narrow as the console is."""
    console.rule(f"[bold]{escape(compared.second)} compared with {escape(compared.first)}[/]")
    _differences(compared, console)
    for caveat in compared.caveats:
        say(console, caveat, "! ", "yellow")
    for load in dict.fromkeys(each.load for each in compared.comparisons):
        _table(compared, load, console)
    say(console, explained(compared), style="dim")
    show_verdicts(compared.verdicts, console)


def gist(compared: Compared) -> Iterator[str]:
    """What was found, in a few lines: how often which, then what of all requests was decided."""
    counts = Counter(each.outcome for each in compared.comparisons)
    found = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
    yield f"of {counted(len(compared.comparisons), 'figure')}: {found}"
    decided = [
        each
        for each in compared.comparisons
        if each.outcome in {Outcome.FASTER, Outcome.SLOWER} and _of_all(each.operation)
    ]
    for each in decided[:MOST]:
        *what, first, second, times, verdict = row(each)
        yield f"{verdict}: {', '.join(what)}: {second} against {first}, ratio {times}"
    if len(decided) > MOST:
        yield f"and {len(decided) - MOST} more"


def _of_all(operation: str) -> bool:
    """Whether it is all requests, or all of a stream, and not one operation's."""
    return operation == OVERALL or operation.endswith(" requests")


def show_verdicts(verdicts: Sequence[Verdict], console: Console) -> None:
    """Print how often each objective held, and where it did not."""
    if not verdicts:
        return
    console.print("\n[bold]Objectives[/]")
    for slo, found in by_slo(verdicts).items():
        say(console, f"{slo}: {tally(found)}")
        shown = [each for each in found if each.state is not State.HOLDS]
        for verdict in shown[:MOST]:
            say(console, told(verdict), "    ", VERDICTS[verdict.state])
        if len(shown) > MOST:
            say(console, f"and {len(shown) - MOST} more: see report.html or --json", "    ", "dim")


def by_slo(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    """The verdicts on each objective, those that failed first, then what cannot be told."""
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        found.setdefault(verdict.slo, []).append(verdict)
    order = [State.FAILS, State.INCONCLUSIVE, State.HOLDS]
    return {slo: sorted(some, key=lambda v: order.index(v.state)) for slo, some in found.items()}


def tally(verdicts: Iterable[Verdict]) -> str:
    """How many failed, cannot be told, and held."""
    counts = Counter(verdict.state for verdict in verdicts)
    words = {State.FAILS: "failed", State.INCONCLUSIVE: "cannot be told", State.HOLDS: "held"}
    return ", ".join(f"{counts[state]} {word}" for state, word in words.items() if counts[state])


def told(verdict: Verdict) -> str:
    """A verdict in one line."""
    load = loaded(verdict.load) if verdict.load else None
    where = ", ".join(filter(None, (verdict.store, verdict.operation, load)))
    found = amount(verdict)
    parts = [f"{verdict.state}: {verdict.slo}", where, found, verdict.why]
    return "; ".join(part for part in parts if part)


def amount(verdict: Verdict) -> str | None:
    """What was found, in the unit that the objective is written in."""
    if verdict.found is None:
        return None
    if verdict.slo.startswith(("failures", "regression")):
        return f"found {100 * verdict.found:.3g} %"
    if verdict.slo.startswith("throughput"):
        return f"found {number(verdict.found)}/s"
    return f"found {number(verdict.found / 1000)} ms"


def loaded(load: TableLoad) -> str:
    """A load in a few words."""
    amount = (
        f"{load.rate:g} requests/s open"
        if load.open
        else f"{counted(load.users or 0, 'user')} closed"
    )
    amount += f" beside {load.beside}" if load.beside else ""
    processes = f", {load.processes} processes" if load.processes > 1 else ""
    variant = f", {load.variant}" if load.variant else ""
    return f"{load.mix}, {amount}{processes}{variant}"


def explained(compared: Compared) -> str:
    """How the verdicts were reached."""
    met = "in pairs, as both were measured in each round" if compared.interleaved else "apart"
    return (
        f"Ratio: {compared.second} to {compared.first}, with its 95 % interval over whole rounds, "
        f"resampled {met}. Faster and slower are Holm-corrected over all rows; no difference: the "
        "interval lies within 5 % of equal; all else cannot be told from these rounds."
    )


def _differences(compared: Compared, console: Console) -> None:
    if not compared.differences:
        console.print(Text("Environment, settings and ledgers are the same.", style="dim"))
        return
    console.print("[bold]These differ besides[/]")
    for line in compared.differences:
        say(console, line)


def _table(compared: Compared, load: TableLoad, console: Console) -> None:
    console.print(f"\n[bold]{escape(loaded(load))}[/]  [dim]{escape(load.kind)}[/]")
    grid = Grid(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    heads = ("store", "", "figure", compared.first, compared.second, "ratio", "verdict")
    for head in heads:
        right = head in {compared.first, compared.second}
        grid.add_column(escape(head), justify="right" if right else "left", overflow="fold")
    for each in compared.comparisons:
        if each.load == load:
            grid.add_row(*map(escape, row(each)), style=STYLES[each.outcome])
    console.print(grid)


def row(each: Comparison) -> Iterator[str]:
    """The cells of a comparison's line."""
    unit = METRICS[each.metric].unit
    yield each.store
    yield each.operation
    yield f"{METRICS[each.metric].label}, {unit}"
    for value in (each.first, each.second):
        yield NO_FIGURE if value is None else number(scaled(each.metric, value))
    yield ratio(each)
    yield f"{each.outcome}{f': {each.why}' if each.why else ''}"


def ratio(each: Comparison) -> str:
    """The ratio with its interval."""
    if each.ratio is None or each.low is None or each.high is None:
        return NO_FIGURE
    return f"{each.ratio:.3f} [{each.low:.3f}, {each.high:.3f}]"


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
