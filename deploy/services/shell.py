"""Runs the tools that fetch and prepare: they can be ended, and fail in one line."""

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

_running: set[subprocess.Popen[str]] = set()
_ended = threading.Event()


class Failed(Exception):  # noqa: N818 - said of a tool
    """A tool ended badly: its own word for it, in one line."""


def run(
    command: Sequence[str],
    *,
    cwd: Path | str = "/",
    env: Mapping[str, str] | None = None,
    given: str | None = None,
    user: str | None = None,
    both: bool = False,
    timeout: float = 900,
) -> str:
    """The tool's output (`both`: stderr too); raises Failed.

    `env` is added to ours, `given` is its standard input, `user` the account it runs as.
    """
    if _ended.is_set():
        raise KeyboardInterrupt
    process = _start(command, cwd, env, user, both=both)
    _running.add(process)
    try:
        out, err = process.communicate(given, timeout=timeout)
    except subprocess.TimeoutExpired as late:
        raise Failed(f"{command[0]} took more than {timeout:.0f} s") from late
    finally:
        _end(process)
    if _ended.is_set():
        raise KeyboardInterrupt
    if process.returncode:
        raise Failed(_gist(err or out, process.returncode))
    return out


@contextlib.contextmanager
def ending_together() -> Iterator[None]:
    """On Ctrl-C in the block ends what runs in its threads, and lets nothing new begin in them."""
    try:
        yield
    except KeyboardInterrupt:
        _ended.set()
        for process in list(_running):
            process.kill()
        raise


def begin_anew() -> None:
    """Lets tools run again, once the threads of an ended block are gone."""
    _ended.clear()


def _start(
    command: Sequence[str],
    cwd: Path | str,
    env: Mapping[str, str] | None,
    user: str | None,
    *,
    both: bool,
) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            list(command),
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C", **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if both else subprocess.PIPE,
            text=True,
            errors="replace",
            umask=0o022,
            user=user,
            group=group_of(user),
            extra_groups=[] if user else None,
        )
    except OSError as error:
        raise Failed(f"{command[0]}: {error.strerror}") from error


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
        with contextlib.suppress(ValueError):
            process.communicate()
    _running.discard(process)


def _gist(said: str, code: int) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("E:", "ERROR", "[ERROR]", "FATAL"))]
    if code < 0 and not telling:
        return f"ended by signal {-code}"
    return (telling or lines[-1:] or [f"exit code {code}"])[0][:200]
