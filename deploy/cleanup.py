"""Leaves no process of a stack: what runs is stopped in order, what a killed one left is ended.

A process is the stack's own when its environment carries our variable, or when supervisord's log
says that it started its pid at the second it was born (some servers overwrite their environment),
or when it descends from, or is in the process group of, such a process.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import psutil

from deploy.layout import RUN_VARIABLE
from deploy.supervisor import GONE, Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from deploy.layout import Layout

_BIRTH_TOLERANCE = 3.0  # seconds between a birth and its line in the log
_STOP_TIMEOUT = 10.0  # seconds from the signal to SIGKILL


def stop_everything(layout: Layout, say: Callable[[str], None]) -> bool:
    """Stop the stack in order and end leftovers; returns whether anything was running."""
    layout.state.unlink(missing_ok=True)
    supervisor, was_running = Supervisor(layout), False
    if pid := supervisor.pid():
        was_running = True
        say("stopping nginx, then the servers, then the databases")
        with contextlib.suppress(*GONE):
            supervisor.shutdown()
        with contextlib.suppress(psutil.Error):
            psutil.Process(pid).wait(timeout=20)
    if orphans := find_orphans(layout):
        was_running = True
        say(f"ending {len(orphans)} processes that an earlier stack left")
        end_processes(orphans)
    layout.socket().unlink(missing_ok=True)
    return was_running


def find_orphans(layout: Layout) -> list[psutil.Process]:
    """Return every living process of the stack, but for this one and its parents."""
    started_at = {pid: when for _, pid, when in Supervisor(layout).starts()}
    processes, root = list(psutil.process_iter()), layout.root
    programs = {p.pid: p for p in processes if _has_our_variable(p, root) or _born(p, started_at)}
    members = {p.pid: p for p in processes if _in_group_of_ours(p, started_at, root)}
    orphans = {**members, **programs}
    for process in programs.values():
        with contextlib.suppress(psutil.Error):
            orphans |= {child.pid: child for child in process.children(recursive=True)}
    excluded = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [process for pid, process in sorted(orphans.items()) if pid not in excluded]


def _has_our_variable(process: psutil.Process, root: Path) -> bool:
    try:
        return process.environ().get(RUN_VARIABLE) == str(root)
    except (psutil.Error, OSError):
        return False


def _born(process: psutil.Process, started_at: Mapping[int, float]) -> bool:
    try:
        return abs(process.create_time() - started_at[process.pid]) < _BIRTH_TOLERANCE
    except (KeyError, psutil.Error):
        return False


def _in_group_of_ours(process: psutil.Process, started_at: Mapping[int, float], root: Path) -> bool:
    """Children of a program that died before them, such as nginx's workers."""
    try:
        leader = os.getpgid(process.pid)
        return (
            leader in started_at
            and process.create_time() > started_at[leader] - _BIRTH_TOLERANCE
            and process.cwd().startswith(f"{root}{os.sep}")
        )
    except (psutil.Error, OSError):
        return False


def end_processes(processes: Iterable[psutil.Process]) -> None:
    """End processes by their own signals; those that are left after a while are killed."""
    processes = list(processes)
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(_stop_signal(process))
    _, stubborn = psutil.wait_procs(processes, timeout=_STOP_TIMEOUT)
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=_STOP_TIMEOUT)


def _stop_signal(process: psutil.Process) -> signal.Signals:
    """A supervisor would restart what ends; PostgreSQL waits for its clients on SIGTERM."""
    if any("supervisor" in argument for argument in process.cmdline()):
        return signal.SIGKILL
    return signal.SIGINT if process.name() == "postgres" else signal.SIGTERM
