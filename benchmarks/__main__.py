"""`python -m benchmarks [CHECK]...`: prints what was measured, exits 1 where one falls short."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping

from rich.console import Console
from rich.table import Table

from benchmarks.check import Verdict
from benchmarks.client import client
from benchmarks.loop_watch import watching
from benchmarks.operations import operations
from benchmarks.responses import answers
from benchmarks.stack import stack
from deploy.errors import StackError

CHECKS: Mapping[str, Callable[[], Iterator[Verdict]]] = {
    "answers": answers,
    "client": client,
    "operations": operations,
    "stack": stack,
    "watching": watching,
}
"""A new check is a module with such a function, and a line here."""

MARKS = {True: "[green]ok[/]", False: "[red]too much[/]", None: "[yellow]not measured[/]"}


def main(names: list[str]) -> int:
    """Run the checks named, or all; return 0, 1 where one falls short, or 2 for an unknown name."""
    if unknown := [name for name in names if name not in CHECKS]:
        print(f"perf: there is no check {unknown[0]!r}, only {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    console = Console()
    table = Table("what", "beside the bare thing (driver alone)", "limit", "")
    failed = False
    for name in names or CHECKS:
        with console.status(f"measuring {name} ..."):
            for verdict in CHECKS[name]():
                mark = MARKS[verdict.passed]
                table.add_row(verdict.name, verdict.measured, verdict.limit, mark)
                failed |= verdict.passed is False
    console.print(table)
    return 1 if failed else 0


def run(names: list[str]) -> int:
    """As `main`; 3 and one line where the stack that is measured cannot be had."""
    try:
        return main(names)
    except StackError as error:
        print(f"perf: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
