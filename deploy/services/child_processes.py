"""Instances as child processes: for tests, and for a database or two during development.

They end with their parent, however it ends: a shell reads from a pipe that the parent holds open,
and when that breaks without a line it ends the instance. (The kernel's own signal for this,
PR_SET_PDEATHSIG, would have to be requested between fork and exec, where a program with threads may
run nothing.)
"""

from __future__ import annotations

import atexit
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from deploy.services.workspace import group_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from deploy.services.base import Instance

WATCHDOG = 'read -r line || kill -s "$0" -- "-$1" 2>/dev/null'
"""Ends the group $1 by signal $0 when its input ends, unless there is a line in it."""

_watchdogs: dict[subprocess.Popen[bytes], subprocess.Popen[bytes]] = {}
"""The watchdog of each instance, dismissed when that has ended: its pid may be used again."""

PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


@contextmanager
def run_instance(
    instance: Instance, log: Path, deadline: float = 180
) -> Iterator[subprocess.Popen[bytes]]:
    """Run an instance, ready, until the block ends; raises TimeoutError, ChildProcessError."""
    process = start(instance, log)
    try:
        wait_ready(instance, process, deadline)
        yield process
    finally:
        stop(instance, process)


@contextmanager
def run_all(instances: Sequence[Instance], log: Path) -> Iterator[None]:
    """Run instances, started in parallel, until the block ends; raises as `run_instance`."""
    processes = [(instance, start(instance, log)) for instance in instances]
    with ExitStack() as stack:
        for instance, process in processes:
            stack.callback(stop, instance, process)
        for instance, process in processes:
            wait_ready(instance, process)
        yield


def start(instance: Instance, log: Path) -> subprocess.Popen[bytes]:
    """Start the process, in a session of its own and as the instance's account."""
    with (log / f"{instance.name}.log").open("ab") as output:
        process = subprocess.Popen(
            instance.command,
            cwd=instance.cwd,
            env={"PATH": PATH, **instance.env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=instance.user,
            group=group_of(instance.user),
            extra_groups=[] if instance.user else None,
            umask=0o022,
        )
    _watch(instance, process)
    return process


def _watch(instance: Instance, process: subprocess.Popen[bytes]) -> None:
    _dismiss_watchdogs_of_ended()
    command = ["/bin/sh", "-c", WATCHDOG, instance.stop_signal, str(process.pid)]
    _watchdogs[process] = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


def _dismiss_watchdog_of(watched: subprocess.Popen[bytes]) -> None:
    watchdog = _watchdogs.pop(watched, None)
    if watchdog is not None:
        watchdog.communicate(b"\n")


@atexit.register
def _dismiss_watchdogs_of_ended() -> None:
    for process in [process for process in _watchdogs if process.poll() is not None]:
        _dismiss_watchdog_of(process)


def wait_ready(instance: Instance, process: subprocess.Popen[bytes], deadline: float = 180) -> None:
    """Return when it answers its protocol; raises TimeoutError, ChildProcessError."""
    end = time.monotonic() + deadline
    while process.poll() is None and not instance.ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{instance.name} did not answer within {deadline:.0f} s")
        time.sleep(0.02)
    if process.returncode is not None:
        raise ChildProcessError(f"{instance.name} ended with {process.returncode}")


def stop(instance: Instance, process: subprocess.Popen[bytes]) -> None:
    """End the process by its own stop signal; raises TimeoutExpired after 30 s."""
    _dismiss_watchdog_of(process)
    if process.poll() is None:
        process.send_signal(signal.Signals[f"SIG{instance.stop_signal}"])
        process.wait(30)
