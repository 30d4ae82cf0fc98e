"""Activates a configuration: tests it, reloads, and waits until old workers have drained."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from nginx.features import Features, features
from nginx.render import CONF, PAGES, Rendered, render

DRAIN_MARGIN = 10.0
"""Seconds beyond the longest request that old workers of nginx get."""

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nginx.split import Split


class ApplyError(RuntimeError):
    """The new configuration is not active; the message says why."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Nginx:
    """One nginx: its binary, the folder for all its files, its port on 127.0.0.1."""

    binary: str
    folder: Path
    port: int
    workers: int = 1

    @property
    def features(self) -> Features:
        """What this binary has."""
        return features(self.binary)

    @property
    def command(self) -> tuple[str, ...]:
        """The command line that serves in the foreground."""
        return (self.binary, "-p", f"{self.folder}/", "-e", "stderr", "-c", CONF)

    def write(self, split: Split) -> Rendered:
        """Render, test and place nginx.conf.

        Raises SplitError for what this nginx lacks, ApplyError if nginx refuses it; nothing has
        changed then.
        """
        rendered = self.check(split)
        self._candidate.replace(self.folder / CONF)
        return rendered

    def check(self, split: Split) -> Rendered:
        """Render and test; raises SplitError and ApplyError. Nothing that serves is touched."""
        self.features.check(split)
        (self.folder / PAGES).mkdir(parents=True, exist_ok=True)
        rendered = render(
            split,
            port=self.port,
            folder=self.folder,
            features=self.features,
            workers=self.workers,
            serial=secrets.token_hex(4),
        )
        self._candidate.write_text(rendered.text)
        self._test(self._candidate)
        return rendered

    @property
    def _candidate(self) -> Path:
        return self.folder / f"{CONF}.new"

    def _test(self, conf: Path) -> None:
        command = (*self.command[:-1], conf.name, "-t", "-q")
        test = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        if test.returncode:
            lines = test.stderr.strip().splitlines() or ["no reason given"]
            raise ApplyError(f"nginx refuses the configuration: {lines[0]}")

    def apply(self, split: Split, *, timeout: float | None = None) -> ReloadTimes:
        """Test, reload, and wait until new workers serve and old workers have drained.

        Raises ApplyError when nginx does not run, refuses the configuration, or still has old
        workers after `timeout` seconds (by default those that the longest request may take, and a
        few more): they go on with the old split until their last connection ends.
        """
        reload = self.reload(split)
        active_at = reload.await_active()
        longest = split.drain_timeout + DRAIN_MARGIN
        reload.await_drained(longest if timeout is None else timeout)
        return ReloadTimes(reload.started_at, active_at, time.time())

    def reload(self, split: Split) -> Reload:
        """Test the configuration and start the reload; raises SplitError and ApplyError."""
        started_at, master = time.time(), self.master()
        if master is None:
            raise ApplyError("nginx does not run; start the stack: windtunnel up")
        workers, former_conf = _workers(master), (self.folder / CONF).read_bytes()
        generation = self.write(split).generation
        os.kill(master.pid, signal.SIGHUP)
        return Reload(self, master, frozenset(workers), generation, former_conf, started_at)

    def master(self) -> psutil.Process | None:
        """The running master process by its pid file, or None."""
        try:
            process = psutil.Process(int((self.folder / "nginx.pid").read_text()))
            return process if process.name().startswith("nginx") else None
        except (OSError, ValueError, psutil.Error):
            return None

    def generation(self) -> str | None:
        """Return the generation of the active split by HTTP; None when nginx does not answer."""
        split = self.active_split()
        return str(split["generation"]) if split and "generation" in split else None

    def active_split(self) -> dict[str, object] | None:
        """Return the JSON of `GET /split` of this nginx, or None when it does not answer so."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/split")
                answer = json.loads(connection.getresponse().read())
            except (OSError, ValueError, http.client.HTTPException):
                return None
        return answer if isinstance(answer, dict) else None


@dataclass(frozen=True, slots=True)
class ReloadTimes:
    """When a reload started, was active for every new connection, and had drained (Unix s)."""

    started_at: float
    active_at: float
    drained_at: float


@dataclass(frozen=True, slots=True)
class Reload:
    """A reload in progress: `old_workers` are the pids from before, `former_conf` their file."""

    nginx: Nginx
    master: psutil.Process
    old_workers: frozenset[int]
    generation: str
    former_conf: bytes
    started_at: float

    def await_active(self, timeout: float = 30.0) -> float:
        """Return the moment (Unix seconds) from which every new connection gets the new split.

        Raises ApplyError if nginx does not take it; then the former configuration is back.
        """
        try:
            if _until(self._is_active, time.monotonic() + timeout):
                return time.time()
        except BaseException:
            self._roll_back()
            raise
        self._roll_back()
        raise ApplyError(
            f"nginx did not take the new split within {timeout:g} s; see: windtunnel logs nginx"
        )

    def _roll_back(self) -> None:
        (self.nginx.folder / CONF).write_bytes(self.former_conf)
        with contextlib.suppress(psutil.Error):
            self.master.send_signal(signal.SIGHUP)
        _until(lambda: self.nginx.generation() != self.generation, time.monotonic() + 5)

    def await_drained(self, timeout: float) -> None:
        """Return when no old worker remains; raises ApplyError, with the new split active."""
        if not _until(lambda: not self._remaining(), time.monotonic() + timeout):
            pids = sorted(self._remaining())
            raise ApplyError(f"old nginx workers still finish requests after {timeout:g} s: {pids}")

    def _is_active(self) -> bool:
        """An old worker that is not shutting down still accepts connections."""
        return (
            all(map(_is_shutting_down, self._remaining()))
            and self.nginx.generation() == self.generation
        )

    def _remaining(self) -> set[int]:
        return _workers(self.master) & self.old_workers


def _is_shutting_down(pid: int) -> bool:
    try:
        return "shutting down" in " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return True


def _workers(master: psutil.Process) -> set[int]:
    try:
        return {child.pid for child in master.children() if child.status() != psutil.STATUS_ZOMBIE}
    except psutil.NoSuchProcess:
        return set()


def _until(condition: Callable[[], bool], deadline: float) -> bool:
    """Ask again after 5 ms, then slower up to 100 ms, until it holds or the deadline passes."""
    pause = 0.005
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    return True
