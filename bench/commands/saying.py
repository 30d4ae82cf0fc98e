"""How commands speak: plain lines, plain tables, and faults that are one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE, ENVIRONMENT = 2, 3


class CommandError(Exception):
    """A command cannot go on; the text is one line that says what to do."""

    exit_code = 1


class UsageError(CommandError):
    """The command line is wrong."""

    exit_code = USAGE


class SetupError(CommandError):
    """The environment is not right."""

    exit_code = ENVIRONMENT


def say(line: str) -> None:
    """Print a line at once."""
    typer.echo(line)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows in aligned columns, wide or narrow as the terminal is."""
    text = [tuple(map(str, row)) for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*text, strict=True)]
    for row in text:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
