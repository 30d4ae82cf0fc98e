"""Bring a configuration into force: test it, reload, and wait until only it serves."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from nginx.render import CONF, Features, Rendered, features, render

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nginx.split import Split


class ApplyError(RuntimeError):
    """The new configuration is not in force; the text says why."""


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
        """Render, test and place nginx.conf; raises ApplyError if nginx refuses it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        rendered = render(
            split,
            port=self.port,
            folder=self.folder,
            features=self.features,
            workers=self.workers,
        )
        candidate = self.folder / f"{CONF}.new"
        candidate.write_text(rendered.text)
        self._test(candidate)
        candidate.replace(self.folder / CONF)
        return rendered

    def _test(self, conf: Path) -> None:
        command = (*self.command[:-1], conf.name, "-t", "-q")
        tested = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        if tested.returncode:
            lines = tested.stderr.strip().splitlines() or ["no reason given"]
            raise ApplyError(f"nginx refuses the configuration: {lines[0]}")

    def apply(self, split: Split, *, timeout: float = 30.0) -> float:
        """Test, reload, and wait until new workers serve and no old worker remains.

        Returns the seconds it took. Raises ApplyError when nginx does not run, refuses, or still
        has old workers after `timeout` seconds (they go on with the old split until their last
        connection ends).
        """
        started = time.monotonic()
        master = self.master()
        if master is None:
            raise ApplyError("nginx does not run; start the stack: windtunnel up")
        old = _workers(master)
        rendered = self.write(split)
        os.kill(master.pid, signal.SIGHUP)
        deadline = started + timeout
        if not _until(lambda: self._renewed(master, old, rendered.generation), deadline):
            raise ApplyError(self._still(master, old, rendered.generation, timeout))
        return time.monotonic() - started

    def _renewed(self, master: psutil.Process, old: set[int], generation: str) -> bool:
        return not old & _workers(master) and self.generation() == generation

    def _still(self, master: psutil.Process, old: set[int], generation: str, timeout: float) -> str:
        left = sorted(old & _workers(master))
        if self.generation() == generation:
            return f"old nginx workers still finish connections after {timeout:g} s: {left}"
        return f"nginx did not take the new split within {timeout:g} s; see: windtunnel logs nginx"

    def master(self) -> psutil.Process | None:
        """The running master process by its pid file, or None."""
        try:
            process = psutil.Process(int((self.folder / "nginx.pid").read_text()))
            return process if process.name().startswith("nginx") else None
        except (OSError, ValueError, psutil.Error):
            return None

    def generation(self) -> str | None:
        """The generation of the split in force, asked over HTTP; None when nobody answers."""
        told = self.in_force()
        return str(told["generation"]) if told and "generation" in told else None

    def in_force(self) -> dict[str, object] | None:
        """`GET /split` of this nginx, or None when it does not answer so."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/split")
                answer = json.loads(connection.getresponse().read())
            except (OSError, ValueError, http.client.HTTPException):
                return None
        return answer if isinstance(answer, dict) else None


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
