"""What an error is to whoever typed the command: an exit code and one line."""

from __future__ import annotations

import errno
import sys

from bench.commands.saying import ENVIRONMENT, USAGE, CommandError

INTERRUPTED = 130

_USAGE = (
    "bench.asked.plan.UnknownStoreError",
    "nginx.split.SplitError",
    "bench.asked.plan.PlanError",
    "bench.figures.slo.SloError",
    "bench.figures.compare.VariantsError",
)
_ENVIRONMENT = (
    "deploy.errors.StackError",
    "deploy.services.base.Missing",
    "nginx.apply.ApplyError",
    "bench.asked.discovery.ServerDownError",
    "bench.run.driving.GeneratorError",
    "bench.disk.results.ResultsError",
    "bench.run.runner.NothingToMeasureError",
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
