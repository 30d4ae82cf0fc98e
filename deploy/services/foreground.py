"""Instances as child processes of ours: for tests, and for a database or two while developing.

They end with us, whatever ends us: a shell holds the other end of a pipe of ours, and when that
breaks without a word it ends the instance. (The kernel's own signal for that, PR_SET_PDEATHSIG,
would have to be asked for between fork and exec, where a program with threads may run nothing.)
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

LEASH = 'read -r line || kill -s "$0" -- "-$1" 2>/dev/null'
"""Ends the group $1 by signal $0 when its input ends, unless there is a line in it."""

_leashes: dict[subprocess.Popen[bytes], subprocess.Popen[bytes]] = {}
"""The leash of each instance, let go when that has ended: its number may be another's."""

PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


@contextmanager
def running(
    instance: Instance, log: Path, deadline: float = 180
) -> Iterator[subprocess.Popen[bytes]]:
    """The instance, ready, until the block ends; raises TimeoutError, ChildProcessError."""
    process = start(instance, log)
    try:
        wait_ready(instance, process, deadline)
        yield process
    finally:
        stop(instance, process)


@contextmanager
def all_running(instances: Sequence[Instance], log: Path) -> Iterator[None]:
    """All of them, started side by side."""
    started = [(instance, start(instance, log)) for instance in instances]
    with ExitStack() as stack:
        for instance, process in started:
            stack.callback(stop, instance, process)
        for instance, process in started:
            wait_ready(instance, process)
        yield


def start(instance: Instance, log: Path) -> subprocess.Popen[bytes]:
    """The process, in a session of its own and as the instance's account."""
    with (log / f"{instance.name}.log").open("ab") as out:
        process = subprocess.Popen(
            instance.command,
            cwd=instance.cwd,
            env={"PATH": PATH, **instance.env},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=instance.user,
            group=group_of(instance.user),
            extra_groups=[] if instance.user else None,
            umask=0o022,
        )
    _leash(instance, process)
    return process


def _leash(instance: Instance, process: subprocess.Popen[bytes]) -> None:
    _unleash_ended()
    command = ["/bin/sh", "-c", LEASH, instance.stop_signal, str(process.pid)]
    _leashes[process] = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


def _unleash(process: subprocess.Popen[bytes]) -> None:
    leash = _leashes.pop(process, None)
    if leash is not None:
        leash.communicate(b"\n")


@atexit.register
def _unleash_ended() -> None:
    for process in [process for process in _leashes if process.poll() is not None]:
        _unleash(process)


def wait_ready(instance: Instance, process: subprocess.Popen[bytes], deadline: float = 180) -> None:
    """Returns when it answers its protocol; raises TimeoutError, ChildProcessError."""
    end = time.monotonic() + deadline
    while process.poll() is None and not instance.ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{instance.name} did not answer within {deadline:.0f} s")
        time.sleep(0.02)
    if process.returncode is not None:
        raise ChildProcessError(f"{instance.name} ended with {process.returncode}")


def stop(instance: Instance, process: subprocess.Popen[bytes]) -> None:
    """Asks it to end in its own way."""
    _unleash(process)
    if process.poll() is None:
        process.send_signal(signal.Signals[f"SIG{instance.stop_signal}"])
        process.wait(30)
