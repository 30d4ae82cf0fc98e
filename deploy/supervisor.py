"""The supervisor of one stack: supervisord with a file a program."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
import xmlrpc.client
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from supervisor.xmlrpc import Faults

from deploy.control import control
from deploy.errors import NotReadyError
from deploy.kinds import Kind, kind
from deploy.layout import MARK, PROJECT
from deploy.sections import main_section, program_section

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from deploy.layout import Layout
    from deploy.services import Instance

_NUDGE = 0.5  # seconds
_YOUNG = 3.0  # seconds; supervisord tells starts in whole ones
GONE = (OSError, xmlrpc.client.Error)


@dataclass(frozen=True, slots=True)
class State:
    """What supervisord says of one program: its status, pid (0: none), start in Unix seconds."""

    name: str
    status: str
    pid: int
    since: float

    @property
    def stopped(self) -> bool:
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
    def _parts(self) -> Path:
        return self.layout.root / "supervisor.d"

    @property
    def _rpc(self) -> Any:
        return control(self.layout.socket())

    def pid(self) -> int | None:
        """The pid of the supervisord that answers on the socket, None when none does."""
        try:
            return int(self._rpc.getPID())
        except GONE:
            return None

    def states(self) -> dict[str, State]:
        """Every program by name; raises OSError when supervisord is gone."""
        told = self._rpc.getAllProcessInfo()
        return {
            one["name"]: State(one["name"], one["statename"], one["pid"], one["start"])
            for one in told
        }

    def start(self, instances: Iterable[Instance]) -> int:
        """Start supervisord with these programs and return its pid; raises NotReadyError."""
        shutil.rmtree(self._parts, ignore_errors=True)
        self._parts.mkdir(parents=True)
        for instance in instances:
            self._write(instance)
        conf = self.layout.root / "supervisord.conf"
        conf.write_text(self._main())
        self.layout.socket().unlink(missing_ok=True)
        begun = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(conf)],
            cwd=PROJECT,
            env={**self.layout.place.environ, MARK: str(self.layout.root)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,  # Ctrl-C is for us alone
            check=False,
        )
        return self._answering(begun)

    def _main(self) -> str:
        return main_section(
            socket=self.layout.socket(),
            log=self.log,
            pid_file=self.layout.root / "supervisord.pid",
            parts=f"{self._parts.name}/*.conf",
        )

    def _answering(self, begun: subprocess.CompletedProcess[str]) -> int:
        deadline = time.monotonic() + 10
        while begun.returncode == 0 and time.monotonic() < deadline:
            if pid := self.pid():
                return pid
            time.sleep(0.01)
        said = (begun.stderr or begun.stdout).strip().splitlines() or ["it does not answer"]
        raise NotReadyError(f"supervisord did not start: {said[-1]}; see {self.log}")

    def add(self, instances: Iterable[Instance]) -> None:
        """Start more programs."""
        for instance in instances:
            self._write(instance)
        self._reload()

    def remove(self, names: Iterable[str]) -> None:
        """Stop programs in their own way and forget them."""
        names = list(names)
        self.stop(names)
        for name in names:
            (self._parts / f"{name}.conf").unlink(missing_ok=True)
        self._reload()

    def stop(self, names: Iterable[str]) -> None:
        """Stop programs side by side and wait until no process of them is left."""
        left, asked, young_from = set(names), time.monotonic(), time.time() - _YOUNG
        for name in left:
            with contextlib.suppress(xmlrpc.client.Fault):  # it is stopped already
                self._rpc.stopProcess(name, False)
        while there := [s for s in self.states().values() if s.name in left and not s.stopped]:
            time.sleep(0.02)
            if time.monotonic() - asked > _NUDGE:
                asked = time.monotonic()
                self._nudge(s.name for s in there if s.since > young_from)

    def _nudge(self, names: Iterable[str]) -> None:
        """Ask again: a signal is lost on a process between fork and exec, or in nginx's start."""
        for name in names:
            with contextlib.suppress(xmlrpc.client.Fault):
                self._rpc.signalProcess(name, "TERM")

    def shutdown(self) -> None:
        """Stop nginx, then the servers, then the databases, then supervisord itself."""
        names = self.states()
        for rank in Kind:
            self.stop(name for name in names if kind(name) == rank)
        self._rpc.shutdown()

    def _reload(self) -> None:
        added, changed, removed = self._rpc.reloadConfig()[0]
        for name in (*changed, *removed):
            self._forget(name)
        for name in (*changed, *added):
            self._rpc.addProcessGroup(name)

    def _forget(self, name: str) -> None:
        """Stop a program and forget it; one that was just added may start in between."""
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
        log = self.layout.log / f"{instance.name}.log"
        (self._parts / f"{instance.name}.conf").write_text(program_section(instance, log))
