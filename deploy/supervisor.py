"""supervisord of one stack: its configuration, its control, its log."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
import time
import xmlrpc.client
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from supervisor.xmlrpc import Faults

from deploy.errors import NotReadyError
from deploy.layout import PROJECT, RUN_VARIABLE
from deploy.programs import ProgramKind, kind_of
from deploy.supervisor_rpc import supervisor_rpc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from deploy.layout import Layout
    from deploy.services import Instance

GONE = (OSError, xmlrpc.client.Error)
"""What calls raise when supervisord is gone."""

START_RETRIES = 5
"""How often a program that dies at once is started again; then it stays down."""

START_SECONDS = 5
"""Seconds below which a program died at once: a Tornado process imports for one on a busy core."""

_REPEAT_SIGNAL_AFTER = 0.5  # seconds
_JUST_STARTED = 3.0  # seconds; supervisord reports starts in whole ones
_SPAWNED = re.compile(r"^(\S+ \S+),\d+ INFO spawned: '([^']+)' with pid (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ProgramStatus:
    """What supervisord says of one program: its status, pid (0: none), start in Unix seconds."""

    name: str
    status: str
    pid: int
    since: float

    @property
    def is_stopped(self) -> bool:
        """Whether no process of it is left and none will be started."""
        return self.status in {"STOPPED", "EXITED", "FATAL"}


@dataclass(frozen=True, slots=True)
class Supervisor:
    """supervisord of one layout, running or not."""

    layout: Layout

    @property
    def log(self) -> Path:
        """supervisord's own log, which names every pid it started."""
        return self.layout.log / "supervisord.log"

    @property
    def _program_files(self) -> Path:
        return self.layout.root / "supervisor.d"

    @property
    def _rpc(self) -> Any:
        return supervisor_rpc(self.layout.socket())

    def pid(self) -> int | None:
        """Return the pid of the supervisord that answers on the socket, None when none does."""
        try:
            return int(self._rpc.getPID())
        except GONE:
            return None

    def states(self) -> dict[str, ProgramStatus]:
        """Return every program by name; raises OSError when supervisord is gone."""
        return {
            info["name"]: ProgramStatus(info["name"], info["statename"], info["pid"], info["start"])
            for info in self._rpc.getAllProcessInfo()
        }

    def starts(self) -> list[tuple[str, int, float]]:
        """Return (name, pid, Unix time) of every program that its log says it started."""
        try:
            text = self.log.read_text(errors="replace")
        except OSError:
            return []
        return [
            (name, int(pid), datetime.fromisoformat(when).timestamp())
            for when, name, pid in _SPAWNED.findall(text)
        ]

    def start(self, instances: Iterable[Instance]) -> int:
        """Start supervisord with these programs and return its pid; raises NotReadyError."""
        shutil.rmtree(self._program_files, ignore_errors=True)
        self._program_files.mkdir(parents=True)
        for instance in instances:
            self._write(instance)
        conf = self.layout.root / "supervisord.conf"
        conf.write_text(self._main_section())
        self.layout.socket().unlink(missing_ok=True)
        process = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(conf)],
            cwd=PROJECT,
            env={**self.layout.workspace.environ, RUN_VARIABLE: str(self.layout.root)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,  # Ctrl-C is for the command alone
            check=False,
        )
        return self._await_answer(process)

    def _await_answer(self, process: subprocess.CompletedProcess[str]) -> int:
        deadline = time.monotonic() + 10
        while process.returncode == 0 and time.monotonic() < deadline:
            if pid := self.pid():
                return pid
            time.sleep(0.01)
        lines = (process.stderr or process.stdout).strip().splitlines() or ["it does not answer"]
        raise NotReadyError(f"supervisord did not start: {lines[-1]}; see {self.log}")

    def add(self, instances: Iterable[Instance]) -> None:
        """Start more programs."""
        for instance in instances:
            self._write(instance)
        self._reload()

    def remove(self, names: Iterable[str]) -> None:
        """Stop programs by their own signals and remove them from the configuration."""
        names = list(names)
        self.stop(names)
        for name in names:
            (self._program_files / f"{name}.conf").unlink(missing_ok=True)
        self._reload()

    def stop(self, names: Iterable[str]) -> None:
        """Stop programs in parallel and wait until no process of them is left."""
        names, signalled_at, young_from = set(names), time.monotonic(), time.time() - _JUST_STARTED
        for name in names:
            with contextlib.suppress(xmlrpc.client.Fault):  # it is stopped already
                self._rpc.stopProcess(name, False)
        while left := [s for s in self.states().values() if s.name in names and not s.is_stopped]:
            time.sleep(0.02)
            if time.monotonic() - signalled_at > _REPEAT_SIGNAL_AFTER:
                signalled_at = time.monotonic()
                self._signal_again(s.name for s in left if s.since > young_from)

    def _signal_again(self, names: Iterable[str]) -> None:
        """A signal is lost on a process between fork and exec, or while nginx starts."""
        for name in names:
            with contextlib.suppress(xmlrpc.client.Fault):
                self._rpc.signalProcess(name, "TERM")

    def shutdown(self) -> None:
        """Stop nginx, then the servers, then the databases, then supervisord itself."""
        names = self.states()
        for kind in ProgramKind:
            self.stop(name for name in names if kind_of(name) == kind)
        self._rpc.shutdown()

    def _reload(self) -> None:
        added, changed, removed = self._rpc.reloadConfig()[0]
        for name in (*changed, *removed):
            self._remove_group(name)
        for name in (*changed, *added):
            self._rpc.addProcessGroup(name)

    def _remove_group(self, name: str) -> None:
        """Stop a program and remove it; one that was just added may start in between."""
        while True:
            self.stop([name])
            try:
                self._rpc.removeProcessGroup(name)
            except xmlrpc.client.Fault as fault:
                if fault.faultCode != Faults.STILL_RUNNING:
                    raise
            else:
                return

    def _write(self, instance: Instance) -> None:
        section = program_section(instance, self.layout.log / f"{instance.name}.log")
        (self._program_files / f"{instance.name}.conf").write_text(section)

    def _main_section(self) -> str:
        """Return the file that supervisord is started with."""
        sections: dict[str, dict[str, object]] = {
            "unix_http_server": {"file": self.layout.socket(), "chmod": "0700"},
            "supervisord": {
                "logfile": self.log,
                "logfile_maxbytes": 0,  # it names the pid of everything it started: never cut it
                "pidfile": self.layout.root / "supervisord.pid",
                "minfds": _descriptor_limit(),
                **({"user": getpass.getuser()} if os.geteuid() == 0 else {}),
            },
            "rpcinterface:supervisor": {
                "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
            },
            "include": {"files": f"{self._program_files.name}/*.conf"},
        }
        return "\n".join(_section(name, values) for name, values in sections.items())


def program_section(instance: Instance, log: Path) -> str:
    """Return the section that keeps an instance running, with its output in `log`."""
    kind = kind_of(instance.name)
    environment = [f"{name}={value}" for name, value in instance.env.items()]
    prefix = ["/usr/bin/env", *environment] if environment else []
    values: dict[str, object] = {
        "command": shlex.join([*prefix, *instance.command]),
        "directory": instance.cwd,
        "priority": 100 - 10 * list(ProgramKind).index(kind),
        "autorestart": "true",
        "startsecs": START_SECONDS,
        "startretries": START_RETRIES,
        "stopsignal": instance.stop_signal,
        "stopwaitsecs": kind.stop_timeout,
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": log,
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": 1,
    }
    if instance.user:
        values["user"] = instance.user
    return _section(f"program:{instance.name}", values)


def _section(name: str, values: Mapping[str, object]) -> str:
    lines = [f"{key}={str(value).replace('%', '%%')}" for key, value in values.items()]
    return "\n".join([f"[{name}]", *lines, ""])


def _descriptor_limit() -> int:
    """Enough for thousands of connections to one process, where the account may have them."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return min(16384, hard) if hard > 0 else 16384
