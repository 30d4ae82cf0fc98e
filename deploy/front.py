"""Becomes nginx, after the workers of a master that was killed have let go of the port.

A script (`python -P front.py FOLDER COMMAND...`) that becomes nginx. Workers whose master is gone
serve on, and nobody can tell them anything: they finish what they have and take no more.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import psutil

PATIENCE = 5.0
"""Seconds in which a worker closes its listening sockets, before it is killed."""


def orphans(folder: Path) -> list[psutil.Process]:
    """The workers of the master that nginx.pid names, if it is gone."""
    try:
        master = int((folder / "nginx.pid").read_text())
    except (OSError, ValueError):
        return []
    if psutil.pid_exists(master):
        return []
    return [one for one in psutil.process_iter() if _worked_for(one, master, folder)]


def _worked_for(process: psutil.Process, master: int, folder: Path) -> bool:
    try:
        return (
            os.getpgid(process.pid) == master
            and process.name().startswith("nginx")
            and Path(process.cwd()) == folder
        )
    except (psutil.Error, OSError):
        return False


def send_off(workers: list[psutil.Process]) -> None:
    """Return when none of the workers listens any more."""
    for worker in workers:
        with contextlib.suppress(psutil.Error):
            worker.send_signal(signal.SIGQUIT)
    deadline = time.monotonic() + PATIENCE
    while not all(map(leaving, workers)) and time.monotonic() < deadline:
        time.sleep(0.01)
    for worker in workers:
        if not leaving(worker):
            with contextlib.suppress(psutil.Error):
                worker.kill()


def leaving(worker: psutil.Process) -> bool:
    """Whether a worker is gone, or has said that it takes no more connections."""
    try:
        return worker.status() == psutil.STATUS_ZOMBIE or "shutting down" in worker.cmdline()[0]
    except (psutil.Error, IndexError):
        return True


def main(folder: str, *command: str) -> None:
    """Become nginx."""
    send_off(orphans(Path(folder).resolve()))
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
