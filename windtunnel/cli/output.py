"""How commands speak: plain lines, plain tables, and faults that are one line."""

from __future__ import annotations

import errno
import sys
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


# What an error is to whoever typed the command: an exit code and one line.


INTERRUPTED = 130

_USAGE = (
    "windtunnel.workload.stores.UnknownStoreError",
    "nginx.split.SplitError",
    "windtunnel.runner.plan.PlanError",
    "windtunnel.analysis.slo.SloError",
    "windtunnel.analysis.compare.VariantsError",
)
_ENVIRONMENT = (
    "deploy.errors.StackError",
    "deploy.services.base.UnavailableError",
    "nginx.apply.ApplyError",
    "windtunnel.workload.stores.ServerDownError",
    "windtunnel.runner.generator_client.GeneratorError",
    "windtunnel.recording.results.ResultsError",
    "windtunnel.runner.run.NothingToMeasureError",
)


def exit_code(error: Exception) -> int:
    """1 for what is our own mistake, 2 for wrong usage, 3 for the environment."""
    if isinstance(error, CommandError):
        return error.exit_code
    if _from_typer(error) or _is_one_of(error, _USAGE):
        return USAGE
    if isinstance(error, OSError) or _is_one_of(error, _ENVIRONMENT):
        return ENVIRONMENT
    return 1


def one_line(error: Exception) -> str:
    """What to print: the error's own word, and for a mistake of ours how to see more."""
    if _from_typer(error):
        message = " ".join(error.format_message().split())  # type: ignore[attr-defined]
        return f"{message.rstrip('.')} (see {_help(error)})"
    if isinstance(error, OSError) and not isinstance(error, CommandError):
        return _os_line(error)
    told = " ".join(str(error).split())
    if exit_code(error) == 1 and not isinstance(error, CommandError):
        kind = type(error).__name__
        return f"unexpected {kind}: {told}; see where with WINDTUNNEL_DEBUG=1"
    return told


def _os_line(error: OSError) -> str:
    told = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
    if error.errno == errno.ENOSPC:
        return f"{told}: make room on the disk and try again"
    return told


def _from_typer(error: Exception) -> bool:
    return hasattr(error, "format_message")


def _help(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else 'windtunnel'} --help"


def _is_one_of(error: Exception, names: tuple[str, ...]) -> bool:
    """By name, as a module that is not loaded cannot have raised anything."""
    for name in names:
        module, _, kind = name.rpartition(".")
        known = getattr(sys.modules.get(module), kind, None)
        if known and isinstance(error, known):
            return True
    return False
