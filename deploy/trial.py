"""Trials of splits: one command at a time tries them, and nobody else changes the split meanwhile.

The former split is on disk, in `.run/trial`, until it is back: a command that is killed cannot put
it back.
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
from nginx.plan import SplitPlan, parse_plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from deploy.layout import Layout


@dataclass(slots=True)
class Trial:
    """The trials of this process: `by` which command, `former` is the split to put back."""

    by: str
    former: SplitPlan
    _file: IO[str]

    def begin(self) -> None:
        """Write down which split is to be put back."""
        self._write(self.former.as_dict())

    def end(self) -> None:
        """Write down that the active split is the one to stay."""
        self._write(None)

    def _write(self, former: dict[str, Any] | None) -> None:
        text = json.dumps({"by": self.by, "pid": os.getpid(), "former": former})
        self._file.seek(0)
        self._file.write(text)
        self._file.truncate(len(text))
        self._file.flush()


@contextlib.contextmanager
def start_trial(layout: Layout, by: str, former: SplitPlan) -> Iterator[Trial]:
    """Let this process try splits while the block runs; the caller has the stack's lock.

    Raises BusyError while another command tries splits.
    """
    refuse_during_trial(layout)
    path = _path(layout)
    path.touch()
    with path.open("r+") as file:
        if not try_lock(file):
            raise BusyError("this process is trying splits already")
        trial = Trial(by, former, file)
        trial.begin()
        yield trial


def refuse_during_trial(layout: Layout) -> None:
    """Raise BusyError while another process tries splits; the caller has the stack's lock."""
    record = _read(layout)
    if record and record["pid"] != os.getpid() and _is_locked(layout):
        command = f"windtunnel {record['by']} (pid {record['pid']})"
        raise BusyError(f"{command} is trying splits: wait for it, or end it")


def abandoned_trial(layout: Layout) -> tuple[str, SplitPlan] | None:
    """Return which command was killed while it tried splits, and the former split.

    The caller has the stack's lock.
    """
    record = _read(layout)
    if not record or not record["former"] or _is_locked(layout):
        return None
    return f"windtunnel {record['by']} (pid {record['pid']})", parse_plan(record["former"])


def has_trial(layout: Layout) -> bool:
    """Return whether a command tries splits or was killed while it did; needs no lock."""
    return bool((_read(layout) or {}).get("former"))


def forget_trial(layout: Layout) -> None:
    """Write down that the former split of a killed command is back."""
    _path(layout).write_text("")


def _path(layout: Layout) -> Path:
    return layout.root / "trial"


def _read(layout: Layout) -> dict[str, Any] | None:
    try:
        return dict(json.loads(_path(layout).read_text()))
    except (FileNotFoundError, ValueError):  # the command was killed before it tried any split
        return None


def _is_locked(layout: Layout) -> bool:
    with _path(layout).open() as file:
        return not try_lock(file, fcntl.LOCK_SH)
