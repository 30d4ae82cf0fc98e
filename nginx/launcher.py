"""Becomes nginx, once the workers of a master that was killed have released the port.

A script: `python -P launcher.py FOLDER COMMAND...`. Workers whose master is gone go on
serving, and no reload reaches them: they are asked to finish their requests and to quit.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import psutil

QUIT_TIMEOUT = 5.0
"""Seconds in which a worker closes its listening sockets, before it is killed."""


def orphaned_workers(folder: Path) -> list[psutil.Process]:
    """Return the workers of the master that nginx.pid names, if it is gone."""
    try:
        master = int((folder / "nginx.pid").read_text())
    except (OSError, ValueError):
        return []
    if psutil.pid_exists(master):
        return []
    return [process for process in psutil.process_iter() if _is_worker(process, master, folder)]


def _is_worker(process: psutil.Process, master: int, folder: Path) -> bool:
    try:
        return (
            os.getpgid(process.pid) == master
            and process.name().startswith("nginx")
            and Path(process.cwd()) == folder
        )
    except (psutil.Error, OSError):
        return False


def quit_gracefully(workers: list[psutil.Process]) -> None:
    """Return when none of the workers listens any more."""
    for worker in workers:
        with contextlib.suppress(psutil.Error):
            worker.send_signal(signal.SIGQUIT)
    deadline = time.monotonic() + QUIT_TIMEOUT
    while not all(map(is_shutting_down, workers)) and time.monotonic() < deadline:
        time.sleep(0.01)
    for worker in workers:
        if not is_shutting_down(worker):
            with contextlib.suppress(psutil.Error):
                worker.kill()


def is_shutting_down(worker: psutil.Process) -> bool:
    """Return whether a worker is gone, or says that it accepts no more connections."""
    try:
        return worker.status() == psutil.STATUS_ZOMBIE or "shutting down" in worker.cmdline()[0]
    except (psutil.Error, IndexError):
        return True


def main(folder: str, *command: str) -> None:
    """Become nginx."""
    quit_gracefully(orphaned_workers(Path(folder).resolve()))
    os.execv(command[0], command)  # noqa: S606 - no shell is needed


if __name__ == "__main__":
    main(*sys.argv[1:])
