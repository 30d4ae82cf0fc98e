"""Waits until programs are ready, and quotes the log of those that are not."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from deploy.services import Instance
    from deploy.supervisor import Supervisor

FIRST_PAUSE, LAST_PAUSE = 0.02, 0.2  # seconds between two probes
_STATUS_INTERVAL = 0.5  # seconds between two looks at supervisord's status
_MAX_STARTS = 2  # programs that die so often at once have failed
_STARTED_BEFORE = 2.0  # seconds by which a program may have been started before it is waited for


def wait_ready(
    supervisor: Supervisor, instances: Sequence[Instance], timeout: float
) -> dict[str, str]:
    """Wait for all instances in parallel, at most `timeout` seconds.

    Returns name -> reason of those that did not become ready.
    """
    deadline, cancelled = time.monotonic() + timeout, Event()
    with ThreadPoolExecutor(max(1, len(instances))) as pool:
        futures = {
            instance.name: pool.submit(_wait, supervisor, instance, deadline, cancelled)
            for instance in instances
        }
        try:
            reasons = {name: future.result() for name, future in futures.items()}
        except BaseException:
            cancelled.set()
            raise
    return {name: reason for name, reason in reasons.items() if reason}


def _wait(
    supervisor: Supervisor, instance: Instance, deadline: float, cancelled: Event
) -> str | None:
    """Return None once the instance is ready, else why it is not."""
    pause, checked_at, since = FIRST_PAUSE, time.monotonic(), time.time() - _STARTED_BEFORE
    log = supervisor.layout.log / f"{instance.name}.log"
    while not cancelled.wait(pause):
        if instance.ready():
            return None
        pause = min(pause * 1.3, LAST_PAUSE)
        now = time.monotonic()
        if now > deadline:
            return f"did not answer in time{log_tail(log)}"
        if now - checked_at > _STATUS_INTERVAL:
            checked_at = now
            if _has_failed(supervisor, instance.name, since):
                return f"ended at once{log_tail(log)}"
    return "was not waited for"


def _has_failed(supervisor: Supervisor, name: str, since: float) -> bool:
    """Whether it dies again and again; it may have been started before and stopped on purpose."""
    status = supervisor.states().get(name)
    if status is None or status.status == "FATAL":
        return True
    starts = sum(program == name and when >= since for program, _, when in supervisor.starts())
    return starts > _MAX_STARTS or (status.status == "BACKOFF" and starts == _MAX_STARTS)


def log_tail(log: Path, lines: int = 3) -> str:
    """Return the end of a log file on one line; empty when there is no such file."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 4096))
            last_lines = file.read().decode(errors="replace").strip().splitlines()[-lines:]
    except OSError:
        return ""
    text = " | ".join(dict.fromkeys(line.strip()[:200] for line in last_lines if line.strip()))
    return f": {text}" if text else f" and logged nothing (see {log})"
