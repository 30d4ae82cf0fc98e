"""Runs experiments by name, prints a table of checks for each, and returns an exit code.

`make perf` and `make truth` are a `Suite` each.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from rich.console import Console
from rich.table import Table

from deploy.errors import StackError

MARKS = {True: "[green]pass[/]", False: "[red]FAIL[/]", None: "[yellow]not measured[/]"}
WIDTH = 120
"""Columns of the output where it goes to no terminal."""


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the table; every figure is written out, with its unit."""

    name: str
    measured: str
    bound: str
    passed: bool | None
    """None where it could not be measured here; `measured` says why."""
    expected: str = ""
    note: str = ""
    """A figure for comparison, which decides nothing."""


class ExperimentError(Exception):
    """An experiment could not be done; the message is one line."""


Experiment = Callable[[], Iterator[Check]]
"""Yields its checks one by one; its docstring is the title of their table."""


@dataclass(frozen=True, slots=True)
class Suite:
    """The experiments of `make NAME`, and the columns of their tables."""

    name: str
    experiments: Mapping[str, Experiment]
    columns: Mapping[str, str]
    """Headings by the field of `Check`; the mark of `passed` has none."""
    options: Sequence[str] = ()


def run(suite: Suite, names: Sequence[str]) -> int:
    """Run the experiments named, or all.

    Returns 0; 1 where a check or an experiment fails, 2 for an unknown name, 3 where the stack to
    be measured cannot be had, 130 for Ctrl-C.
    """
    if unknown := [name for name in names if name not in suite.experiments]:
        choices = ", ".join((*suite.experiments, *suite.options))
        print(f"{suite.name}: {unknown[0]!r} is none of {choices}", file=sys.stderr)
        return 2
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    try:
        outcomes = [_passes(suite, name, console) for name in names or suite.experiments]
    except StackError as error:
        print(f"{suite.name}: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
    return 0 if all(outcomes) else 1


def _passes(suite: Suite, name: str, console: Console) -> bool:
    """Run one experiment and print its table; whether no check of it fails."""
    start = monotonic()
    try:
        with console.status(f"{name} ..."):
            checks = list(suite.experiments[name]())
    except ExperimentError as error:
        console.print(f"{name}: [red]FAIL[/]: {error}", soft_wrap=True)
        return False
    title = f"{name}: {inspect.getdoc(suite.experiments[name])} ({monotonic() - start:.0f} s)"
    console.print(_table(title, suite.columns, checks))
    return all(check.passed is not False for check in checks)


def _table(title: str, columns: Mapping[str, str], checks: Sequence[Check]) -> Table:
    table = Table(*columns.values(), title=title, title_justify="left")
    for check in checks:
        cells = {field: str(getattr(check, field)) for field in columns}
        table.add_row(*(cells | {"passed": MARKS[check.passed]}).values())
    return table
