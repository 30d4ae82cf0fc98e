"""Splits on trial: one command at a time tries them, and nobody else changes the split meanwhile.

The split before stands on disk until it is back, for a command that is killed cannot put it back.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from deploy.errors import BusyError
from deploy.locks import try_lock
from nginx.plan import Plan, plan_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from deploy.layout import Layout


@dataclass(slots=True)
class Trial:
    """What this process keeps while it tries splits: `former` is the one that comes back."""

    by: str
    former: Plan
    _file: IO[str]

    def begin(self) -> None:
        """Say on disk which split comes back."""
        self._say(self.former.as_dict())

    def over(self) -> None:
        """Say on disk that the split in force is the one to stay."""
        self._say(None)

    def _say(self, former: dict[str, Any] | None) -> None:
        text = json.dumps({"by": self.by, "pid": os.getpid(), "former": former})
        self._file.seek(0)
        self._file.write(text)
        self._file.truncate(len(text))
        self._file.flush()


@contextlib.contextmanager
def held(layout: Layout, by: str, former: Plan) -> Iterator[Trial]:
    """Try splits while the block runs; whoever enters it has the lock of the stack.

    Raises BusyError while another command does.
    """
    refuse(layout)
    _path(layout).touch()
    with _path(layout).open("r+") as file:
        if not try_lock(file):
            raise BusyError("this process is trying splits already")
        trial = Trial(by, former, file)
        trial.begin()
        yield trial


def refuse(layout: Layout) -> None:
    """Raise BusyError while another process tries splits; the caller has the lock of the stack."""
    told = _told(layout)
    if told and told["pid"] != os.getpid() and _held(layout):
        raise BusyError(
            f"windtunnel {told['by']} (pid {told['pid']}) is trying splits: wait for it, or end it"
        )


def left(layout: Layout) -> tuple[str, Plan] | None:
    """Which command was killed while it tried splits, and the split before.

    The caller has the lock of the stack.
    """
    told = _told(layout)
    if not told or not told["former"] or _held(layout):
        return None
    return f"windtunnel {told['by']} (pid {told['pid']})", plan_of(told["former"])


def known(layout: Layout) -> bool:
    """Whether a command tries splits or was killed while it did, seen without any lock."""
    return bool((_told(layout) or {}).get("former"))


def forget(layout: Layout) -> None:
    """Say that what a killed command left is made good."""
    _path(layout).write_text("")


def _path(layout: Layout) -> Path:
    return layout.root / "trial"


def _told(layout: Layout) -> dict[str, Any] | None:
    try:
        told = json.loads(_path(layout).read_text())
    except (FileNotFoundError, ValueError):  # it was killed before it tried anything
        return None
    return dict(told)


def _held(layout: Layout) -> bool:
    with _path(layout).open() as file:
        return not try_lock(file, fcntl.LOCK_SH)
