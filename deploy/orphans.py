"""What a killed supervisor left running, found without ever taking a foreign process for ours.

A process is ours when its environment carries our mark, or when supervisord's log says that we
started its pid at the second it was born (some servers overwrite their environment), or when it
descends from, or is in the process group of, such a process.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from datetime import datetime
from typing import TYPE_CHECKING

import psutil

from deploy.layout import MARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_SPAWNED = re.compile(r"^(\S+ \S+),\d+ INFO spawned: '([^']+)' with pid (\d+)$", re.MULTILINE)
_CLOSE = 3.0  # seconds between a birth and its line in the log
_PATIENCE = 10.0  # seconds from the asking to SIGKILL


def spawned(log: Path) -> list[tuple[str, int, float]]:
    """(name, pid, Unix time) of every program that supervisord's log says it started."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return []
    return [
        (name, int(pid), datetime.fromisoformat(when).timestamp())
        for when, name, pid in _SPAWNED.findall(text)
    ]


def find(root: Path, log: Path) -> list[psutil.Process]:
    """Every living process of the stack in `root`, our own and our parents left out."""
    recorded = {pid: when for _, pid, when in spawned(log)}
    everyone = list(psutil.process_iter())
    heads = {p.pid: p for p in everyone if _marked(p, root) or _born(p, recorded)}
    members = [p for p in everyone if p.pid not in heads and _grouped(p, recorded, root)]
    ours = dict(heads) | {p.pid: p for p in members}
    for process in heads.values():
        with contextlib.suppress(psutil.Error):
            ours |= {child.pid: child for child in process.children(recursive=True)}
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [process for pid, process in sorted(ours.items()) if pid not in spared]


def _marked(process: psutil.Process, root: Path) -> bool:
    try:
        return process.environ().get(MARK) == str(root)
    except (psutil.Error, OSError):
        return False


def _born(process: psutil.Process, recorded: Mapping[int, float]) -> bool:
    try:
        return abs(process.create_time() - recorded[process.pid]) < _CLOSE
    except (KeyError, psutil.Error):
        return False


def _grouped(process: psutil.Process, recorded: Mapping[int, float], root: Path) -> bool:
    """Children of a program that died before them, such as nginx's workers."""
    try:
        leader = os.getpgid(process.pid)
        return (
            leader in recorded
            and process.create_time() > recorded[leader] - _CLOSE
            and process.cwd().startswith(f"{root}{os.sep}")
        )
    except (psutil.Error, OSError):
        return False


def end(processes: Iterable[psutil.Process]) -> None:
    """End processes: asked first, killed when they have not ended after a while."""
    processes = list(processes)
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(_farewell(process))
    _, stubborn = psutil.wait_procs(processes, timeout=_PATIENCE)
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=_PATIENCE)


def _farewell(process: psutil.Process) -> signal.Signals:
    """A supervisor would restart what ends; PostgreSQL waits for its clients on SIGTERM."""
    if any("supervisor" in word for word in process.cmdline()):
        return signal.SIGKILL
    return signal.SIGINT if process.name() == "postgres" else signal.SIGTERM
