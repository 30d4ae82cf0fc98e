"""What commands print: plain lines, plain tables, and errors of one line."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

import typer

from windtunnel.errors import ExitCode, SetupError

if TYPE_CHECKING:
    from collections.abc import Sequence


def say(line: str) -> None:
    """Print a line at once."""
    typer.echo(line)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows in aligned columns, as wide as they are."""
    lines = [tuple(map(str, row)) for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def exit_code(error: Exception) -> int:
    """Return the exit code of an error's class; of one that has none, 1, and of an OSError, 3."""
    default = ExitCode.SETUP if isinstance(error, OSError) else ExitCode.FAILED
    return int(getattr(error, "exit_code", default))


def error_line(error: Exception) -> str:
    """Return the line that says what went wrong, and of an unexpected error how to see where."""
    if hasattr(error, "format_message"):  # of click or of typer, whose base differs by version
        message = " ".join(error.format_message().split()).replace(": Value error, ", ": ")
        return f"{message.rstrip('.')} (see {_help_command(error)})"
    if isinstance(error, OSError):
        return _os_error_line(error)
    message = " ".join(str(error).split())
    if hasattr(error, "exit_code"):
        return message
    kind = type(error).__name__
    return f"unexpected {kind}: {message}; WINDTUNNEL_DEBUG=1 prints the traceback"


def _os_error_line(error: OSError) -> str:
    line = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
    if error.errno == errno.ENOSPC:
        return f"{line}: make room on the disk and try again"
    return line


def _help_command(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context else 'windtunnel'} --help"


CLONE: Final = Path(__file__).parents[2]
SCENARIOS: Final = CLONE / "locustfiles"

P = ParamSpec("P")
R = TypeVar("R")


class CloneNeededError(SetupError):
    """A command needs the clone, and windtunnel is installed without it."""


def needs_clone(command: Callable[P, R], group: str = "") -> Callable[P, R]:
    """Let a command, of a `group` of commands if that is named, raise CloneNeededError."""

    @wraps(command)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        require_clone(f"{group} {command.__name__.strip('_')}".strip())
        return command(*args, **kwargs)

    return checked


def require_clone(command: str) -> None:
    """Raise CloneNeededError unless windtunnel is imported from a clone of the project."""
    if not (CLONE / "deploy" / "stack.py").is_file():
        raise CloneNeededError(
            f"{command} needs the project's clone, for its servers and scenarios: git clone it, "
            "run `make setup` there, and use its .venv/bin/windtunnel"
        )
