"""Locks on a stack's folder; the kernel releases them when the process that holds them ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import IO, TYPE_CHECKING

from deploy.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.layout import Layout

LOCK_TIMEOUT = 120.0
"""Seconds that a command which is under way waits for another one to release the stack."""

_POLL_INTERVAL = 0.05


@contextlib.contextmanager
def stack_lock(layout: Layout, timeout: float = 0.0) -> Iterator[None]:
    """Let one command at a time start or stop programs of the stack.

    Raises BusyError if another command still holds the lock after `timeout` seconds.
    """
    layout.root.mkdir(parents=True, exist_ok=True)
    with (layout.root / "lock").open("a+") as file:
        _await_lock(file, timeout)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _await_lock(file: IO[str], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not try_lock(file):
        if time.monotonic() >= deadline:
            file.seek(0)
            pid = file.read().strip() or "?"
            raise BusyError(f"another command (pid {pid}) starts or stops this stack: wait for it")
        time.sleep(_POLL_INTERVAL)


@contextlib.contextmanager
def stack_lease(layout: Layout) -> Iterator[None]:
    """Mark the stack as this process's own while the block runs; after a kill the mark stays."""
    path = layout.root / "lease"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def take_over_lease(layout: Layout) -> bool:
    """Return whether a killed process left its lease; the caller owns the stack from then on."""
    path = layout.root / "lease"
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except (FileNotFoundError, BlockingIOError):
        return False
    return True


def try_lock(file: IO[str], mode: int = fcntl.LOCK_EX) -> bool:
    """Return whether this process now holds the lock on an open file, until it is closed."""
    try:
        fcntl.flock(file, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
