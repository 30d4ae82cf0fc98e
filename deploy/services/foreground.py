"""Instances as child processes of ours: for tests, and for a database or two while developing."""

from __future__ import annotations

import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from deploy.services.place import group_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from deploy.services.base import Instance

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
        return subprocess.Popen(
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
    if process.poll() is None:
        process.send_signal(signal.Signals[f"SIG{instance.stop_signal}"])
        process.wait(30)
