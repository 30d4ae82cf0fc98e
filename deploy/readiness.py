"""Waiting until programs answer, and saying of those that do not what they said last."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from deploy.orphans import spawned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from deploy.services import Instance
    from deploy.supervisor import Supervisor

FIRST_PAUSE, LAST_PAUSE = 0.02, 0.2  # seconds between two questions
_TRIES = 2  # programs that die so often at once are given up
_BEFORE = 2.0  # seconds by which a program may have been started before it is waited for


def wait_ready(
    supervisor: Supervisor,
    instances: Sequence[Instance],
    timeout: float,
    *,
    came: Callable[[Instance], None] = lambda _: None,
) -> dict[str, str]:
    """Wait for all side by side; returns name -> reason of those that did not come up.

    `came` hears of each that is ready, from a thread of its own.
    """
    deadline, over = time.monotonic() + timeout, Event()
    with ThreadPoolExecutor(max(1, len(instances))) as pool:
        watches = {
            one.name: pool.submit(_watch, supervisor, one, deadline, over, came)
            for one in instances
        }
        try:
            told = {name: watch.result() for name, watch in watches.items()}
        except BaseException:
            over.set()
            raise
    return {name: reason for name, reason in told.items() if reason}


def _watch(
    supervisor: Supervisor,
    instance: Instance,
    deadline: float,
    over: Event,
    came: Callable[[Instance], None],
) -> str | None:
    pause, looked, since = FIRST_PAUSE, time.monotonic(), time.time() - _BEFORE
    log = supervisor.layout.log / f"{instance.name}.log"
    while not over.wait(pause):
        if instance.ready():
            came(instance)
            return None
        pause = min(pause * 1.3, LAST_PAUSE)
        now = time.monotonic()
        if now > deadline:
            return f"did not answer in time{last_words(log)}"
        if now - looked > 0.5:
            looked = now
            if _given_up(supervisor, instance.name, since):
                return f"ended at once{last_words(log)}"
    return "was not waited for"


def _given_up(supervisor: Supervisor, name: str, since: float) -> bool:
    """Whether it dies again and again; it may have been started before and stopped on purpose."""
    state = supervisor.states().get(name)
    if state is None or state.status == "FATAL":
        return True
    tries = sum(1 for who, _, when in spawned(supervisor.log) if who == name and when >= since)
    return tries > _TRIES or (state.status == "BACKOFF" and tries == _TRIES)


def last_words(log: Path, lines: int = 3) -> str:
    """The end of a log file, for one line; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 4096))
            said = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    kept = dict.fromkeys(line.strip()[:200] for line in said[-lines:] if line.strip())
    tail = " | ".join(kept)
    return f": {tail}" if tail else f" and said nothing (see {log})"


def http_ok(port: int, path: str) -> bool:
    """Whether a GET on 127.0.0.1 answers 200."""
    import http.client
    from contextlib import closing

    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=0.8)) as link:
        try:
            link.request("GET", path)
            return link.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


def readyz(port: int) -> Callable[[], bool]:
    """The readiness question of a Tornado process."""
    return partial(http_ok, port, "/readyz")
