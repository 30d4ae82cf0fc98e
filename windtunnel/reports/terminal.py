"""The report in a terminal: the answers first, then what to be careful about, then the tables."""

from collections import defaultdict
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from windtunnel.analysis.summary import (
    OVERALL,
    DoubtfulCell,
    Summary,
    Table,
)
from windtunnel.analysis.wording import (
    INCOMPLETE_HEADS,
    NO_FIGURE,
    accounting_cells,
    band_cells,
    capacity,
    counted,
    has_rivals,
    incomplete_cells,
    load_amount,
    parts_load,
    survival,
    variant_and_load,
    why_no_band,
)
from windtunnel.recording.results import Ledger
from windtunnel.reports import comparison, ranked_table
from windtunnel.reports.comparison import say

GAP = 2


def show(summary: Summary, console: Console) -> None:
    """Print a summary, as narrow as the console is."""
    _heading(summary, console)
    _capacities(summary, console)
    if summary.compared is not None:
        first, second = summary.compared.first, summary.compared.second
        console.print(f"\n[bold]{escape(second)} compared with {escape(first)}[/]")
        for line in comparison.gist(summary.compared):
            say(console, line)
    for title, tables in _by_title(summary).items():
        if summary.compared is not None and not has_rivals(tables):
            continue
        console.print(f"\n[bold]{escape(title)}[/]{_weight(summary, tables[0])}")
        for table in tables:
            say(console, table.answer)
    for caveat in summary.caveats:
        say(console, caveat, "! ", "yellow")
    for table in summary.tables:
        ranked_table.show(table, console)
    if summary.compared is not None:
        comparison.show(summary.compared, console)
    comparison.show_verdicts(summary.verdicts, console)
    _incomplete(summary, console)
    _parts(summary, console)
    _accounting(summary, console)
    _lists(summary, console)
    _ledgers(summary.stores, console)


def _heading(summary: Summary, console: Console) -> None:
    console.rule(f"[bold]Windtunnel: {escape(summary.scenario)}, {escape(summary.run)}[/]")
    host, revision = summary.host, str(summary.git.get("revision") or "unknown")[:12]
    facts = [
        f"{summary.started:%Y-%m-%d %H:%M %Z}",
        f"{counted(summary.rounds, 'round')}, {counted(summary.cells, 'cell')}",
        f"seed {summary.seed}",
        f"{host.get('cpu') or 'unknown CPU'}, {host.get('cores') or '?'} cores",
        f"revision {revision}{' with changes' if summary.git.get('dirty') else ''}",
    ]
    console.print(Text("; ".join(facts), style="dim"))
    if not summary.tables:
        console.print("No cell was finished: there is nothing to rank.", style="bold")


def _weight(summary: Summary, table: Table) -> str:
    """Which ranking counts, where there are several."""
    if table.load.open:
        return "  [bold green](the ranking that counts)[/]"
    mixed = any(other.load.open for other in summary.tables)
    return (
        "  [dim](closed load: a stall hides the requests that it would have delayed)[/]"
        if mixed
        else ""
    )


def _by_title(summary: Summary) -> dict[str, list[Table]]:
    groups: dict[str, list[Table]] = defaultdict(list)
    for table in summary.tables:
        groups[table.title].append(table)
    return groups


def _capacities(summary: Summary, console: Console) -> None:
    """The highest rate at which each objective held."""
    for slo in dict.fromkeys(row.slo for row in summary.capacities):
        console.print(f"\n[bold]Highest rate at which it held: {escape(slo)}[/]")
        for row in summary.capacities:
            if row.slo == slo:
                say(console, capacity(row))


def _parts(summary: Summary, console: Console) -> None:
    """Where the time went, all of a store's operations together where it had several."""
    chosen = [row for row in summary.parts if row.operation == OVERALL] or summary.parts
    if not chosen:
        return
    console.print("\n[bold]Where the time went[/] [dim]mean parts of sampled requests, ms[/]")
    grid = Grid(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    for head in ("store", "load", "requests", "latency", "parts"):
        grid.add_column(head, justify="right" if head == "latency" else "left", overflow="fold")
    for row in chosen:
        for name, band in row.bands.items():
            cells = (NO_FIGURE, why_no_band(row, name)) if band is None else band_cells(band)
            grid.add_row(*map(escape, (row.subject, parts_load(row), name, *cells)))
    console.print(grid)


def _incomplete(summary: Summary, console: Console) -> None:
    """What was measured of the cell that was under way when the run was killed."""
    if not summary.incomplete:
        return
    console.print("\n[bold]Incomplete cells[/] [dim]not finished when the run ended: not ranked[/]")
    grid = Grid(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    for head in ("store", "load", "round", "operation"):
        grid.add_column(head, overflow="fold")
    for head in INCOMPLETE_HEADS:
        grid.add_column(head, justify="right")
    for row in summary.incomplete:
        names = (row.subject, variant_and_load(row), str(row.round), row.operation)
        grid.add_row(*map(escape, (*names, *incomplete_cells(row))))
    console.print(grid)


def _accounting(summary: Summary, console: Console) -> None:
    """How many scheduled requests were late, skipped, stale or retried."""
    if not summary.conduct:
        return
    console.print("\n[bold]Schedule[/]")
    names = ("scheduled", "answered", "failed", "late", "skipped", "stale", "retried", "lag p99")
    for title in dict.fromkeys(row.title for row in summary.conduct):
        console.print(f"[dim]{escape(title)}[/]")
        grid = Grid(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
        for name in ("store", *names):
            grid.add_column(name, justify="left" if name == "store" else "right", overflow="fold")
        for row in summary.conduct:
            if row.title == title:
                grid.add_row(*map(escape, [row.store, *accounting_cells(row)]))
        console.print(grid)


def _lists(summary: Summary, console: Console) -> None:
    _listing("Skipped", summary.left_out, console)
    _listing("Spared some loads", summary.spared, console)
    _listing("Not measured", summary.unmeasured, console)
    void = [cell for cell in summary.doubtful if cell.void is not None]
    flagged = [cell for cell in summary.doubtful if cell.void is None]
    _listing("Void cells", _where(void), console)
    _listing("Flagged cells", _where(flagged), console)


def _where(cells: Sequence[DoubtfulCell]) -> dict[str, str]:
    """Which cells, and why: those of several rounds in one line, where all else is the same."""
    rounds_of: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for cell in cells:
        why = "; ".join(cell.flags) if cell.void is None else cell.void
        names = (cell.subject, cell.mix or "", load_amount(cell), cell.variant or "")
        rounds_of[*names, why].append(cell.round)
    return {
        f"{', '.join(filter(None, names))}, {_rounds(rounds)}": why
        for (*names, why), rounds in rounds_of.items()
    }


def _rounds(numbers: Sequence[int]) -> str:
    distinct = sorted(set(numbers))
    return f"{'rounds' if len(distinct) > 1 else 'round'} {', '.join(map(str, distinct))}"


def _listing(title: str, entries: dict[str, str], console: Console) -> None:
    if entries:
        console.print(f"\n[bold]{title}[/]")
        for name, reason in entries.items():
            say(console, f"{name}: {reason}")


def _ledgers(stores: dict[str, Ledger], console: Console) -> None:
    if not stores:
        return
    grid = Grid(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for column in ("store", "driver; server", "promise", "survives", "conn."):
        grid.add_column(column, overflow="fold")
    for store, ledger in sorted(stores.items()):
        driver = "; ".join(filter(None, (ledger.driver, ledger.server)))
        connections = str(ledger.connections or NO_FIGURE)
        survives = survival(ledger)
        grid.add_row(*map(escape, (store, driver, ledger.promise, survives, connections)))
    console.print("\n[bold]Ledger[/]")
    console.print(grid)
