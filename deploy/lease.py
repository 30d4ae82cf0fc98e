"""A stack that a command started for itself is to be stopped, also when that command was killed."""

from __future__ import annotations

import contextlib
import fcntl
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.layout import Layout


@contextlib.contextmanager
def leased(layout: Layout) -> Iterator[None]:
    """The stack is this process's own while the block runs; a killed one leaves its lease."""
    path = layout.root / "lease"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # which the kernel ends with the process
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def take_over(layout: Layout) -> bool:
    """Whether a killed process left its stack; whoever asks has it from then on."""
    path = layout.root / "lease"
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except (FileNotFoundError, BlockingIOError):
        return False
    return True


def taken(file: IO[str], how: int = fcntl.LOCK_EX) -> bool:
    """Whether this process has the lock on an open file, from now until the file is closed."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
