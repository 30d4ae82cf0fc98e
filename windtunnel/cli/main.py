"""The command `windtunnel`: registers the commands, and prints an error as one line.

A command is a function in `windtunnel/cli/`; it imports what it needs when it is called, so that
`windtunnel status` starts fast. Exit codes: `windtunnel.errors.ExitCode`.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import traceback
from types import FrameType
from typing import Annotated

import typer

from windtunnel.cli import measure, plan, split, stack, tune
from windtunnel.cli.output import error_line, exit_code, say
from windtunnel.errors import ExitCode
from windtunnel.settings import prints_tracebacks

END_SIGNALS = (signal.SIGTERM, signal.SIGHUP)

app = typer.Typer(
    name="windtunnel",
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    stack.setup,
    stack.up,
    stack.down,
    stack.status,
    stack.logs,
    stack.doctor,
    stack.stores,
    measure.run,
    measure.report,
    measure.capacity,
    measure.compare,
    plan.plan,
    tune.tune,
):
    app.command()(command)
app.add_typer(split.app)


def _print_version(flag: bool) -> None:
    if flag:
        from importlib import metadata

        say(metadata.version("windtunnel"))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="print it")
    ] = False,
) -> None:
    """Put a Tornado server under load and say what gives way first."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command line and exit with its exit code."""
    for number in END_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, _interrupt)
    sys.exit(run(arguments))


def _interrupt(number: int, _: FrameType | None) -> None:
    """End as Ctrl-C does, once: a terminal that closes sends several signals."""
    for other in END_SIGNALS:
        signal.signal(other, lambda *_: None)
    if number == signal.SIGHUP:
        _detach_terminal()
    raise KeyboardInterrupt


def _detach_terminal() -> None:
    """Send output to nowhere instead of to a terminal that has closed."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        if stat.S_ISCHR(os.fstat(stream).st_mode):
            os.dup2(null, stream)


def run(arguments: list[str] | None = None) -> int:
    """Run a command line and return its exit code; an error is one line on stderr."""
    try:
        words = sys.argv[1:] if arguments is None else arguments
        return app(words or ["--help"], prog_name="windtunnel", standalone_mode=False) or 0
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else ExitCode.FAILED
    except BrokenPipeError:  # windtunnel stores | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except Exception as error:
        return _fail(error)


def _fail(error: Exception) -> int:
    if prints_tracebacks():
        traceback.print_exception(error)
    print(f"windtunnel: {error_line(error)}", file=sys.stderr)
    return exit_code(error)
