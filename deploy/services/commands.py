"""Runs the commands that fetch and prepare: they end on Ctrl-C, and fail with one line."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from typing import TYPE_CHECKING

from deploy.services.workspace import group_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_processes: set[subprocess.Popen[str]] = set()
_interrupted = threading.Event()


class CommandFailedError(Exception):
    """A command failed: its own message, in one line."""

    exit_code = 3


def run(
    command: Sequence[str],
    *,
    cwd: Path | str = "/",
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    user: str | None = None,
    merge_stderr: bool = False,
    timeout: float = 900,
) -> str:
    """Return the command's output (with `merge_stderr`, stderr too); raises CommandFailedError.

    `env` is added to our environment, `stdin` is its input, `user` the account it runs as,
    `timeout` in seconds.
    """
    if _interrupted.is_set():
        raise KeyboardInterrupt
    process = _start(command, cwd, env, user, merge_stderr=merge_stderr)
    _processes.add(process)
    try:
        output, errors = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise CommandFailedError(f"{command[0]} took more than {timeout:.0f} s") from error
    finally:
        _end(process)
    if _interrupted.is_set():
        raise KeyboardInterrupt
    if process.returncode:
        raise CommandFailedError(_reason(errors or output, process.returncode))
    return output


@contextlib.contextmanager
def killed_on_interrupt() -> Iterator[None]:
    """On Ctrl-C in the block kill the commands of its threads, and let no new one start."""
    try:
        yield
    except KeyboardInterrupt:
        _interrupted.set()
        for process in list(_processes):
            process.kill()
        raise


def reset_interrupt() -> None:
    """Let commands start again, once the threads of an interrupted block have ended."""
    _interrupted.clear()


def _start(
    command: Sequence[str],
    cwd: Path | str,
    env: Mapping[str, str] | None,
    user: str | None,
    *,
    merge_stderr: bool,
) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            list(command),
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C", **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge_stderr else subprocess.PIPE,
            text=True,
            errors="replace",
            umask=0o022,
            user=user,
            group=group_of(user),
            extra_groups=[] if user else None,
        )
    except OSError as error:
        raise CommandFailedError(f"{command[0]}: {error.strerror}") from error


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
        with contextlib.suppress(ValueError):
            process.communicate()
    _processes.discard(process)


def _reason(output: str, exit_code: int) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "ERROR", "[ERROR]", "FATAL"))]
    if exit_code < 0 and not errors:
        return f"ended by signal {-exit_code}"
    return (errors or lines[-1:] or [f"exit code {exit_code}"])[0][:200]
