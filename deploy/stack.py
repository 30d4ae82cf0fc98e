"""The stack: databases, Tornado processes and nginx, up together and down in order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import psutil

from deploy import state
from deploy.layout import FIRST_PORT, Layout, default_place
from deploy.supervisor import GONE, Supervisor
from nginx.apply import Nginx
from nginx.plan import Plan, plan_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from deploy.services import Place
    from deploy.state import Program, StackState
    from nginx.split import Split


@dataclass(slots=True)
class Stack:
    """A stack that runs. `started`: by this call, or by a command that was killed since."""

    layout: Layout
    state: StackState
    started: bool = False

    @property
    def supervisor(self) -> Supervisor:
        """What keeps it running."""
        return Supervisor(self.layout)

    @property
    def nginx(self) -> Nginx:
        """Its nginx."""
        return Nginx(self.state.nginx_binary, self.layout.nginx, self.layout.nginx_port)

    @property
    def plan(self) -> Plan:
        """The split in force, as split.toml would say it."""
        return plan_of(self.state.split)

    @property
    def split(self) -> Split:
        """The split in force, with its ports."""
        plan = self.plan
        return plan.split({pool: self.state.ports(pool) for pool in plan.pools})

    def reread(self) -> None:
        """Take over what another command has changed since."""
        self.state = state.read(self.layout.state) or self.state

    def refresh(self) -> None:
        """Bring `state` and stack.json up to what the supervisor runs."""
        running = self.supervisor.states()
        programs = {
            name: replace(program, pid=running[name].pid)
            for name, program in self.state.programs.items()
            if name in running
        }
        self.save(programs)

    def save(self, programs: Mapping[str, Program], split: Mapping[str, Any] | None = None) -> None:
        """Say in stack.json that these programs run, and which split is in force."""
        self.state = replace(
            self.state,
            programs=programs,
            processes=addresses(programs),
            split=self.state.split if split is None else split,
        )
        self.state.write(self.layout.state)

    def pids(self) -> dict[str, dict[str, list[int]]]:
        """kind -> program (of databases: service) -> pids, all children among them."""
        children = every_child()
        told = self.roots()
        for programs in told.values():
            for name, pids in programs.items():
                programs[name] = [one for pid in pids for one in family(pid, children)]
        return told

    def roots(self) -> dict[str, dict[str, list[int]]]:
        """The same without children, some of which end by themselves, as PostgreSQL's do."""
        told: dict[str, dict[str, list[int]]] = {"server": {}, "database": {}, "nginx": {}}
        running = self.supervisor.states()
        for name, program in self.state.programs.items():
            if name in running and running[name].pid:
                key = program.service if program.kind == "database" else name
                told[program.kind].setdefault(key, []).append(running[name].pid)
        return told

    def healthy(self) -> bool:
        """Whether every program runs and nginx answers with a split."""
        try:
            states = self.supervisor.states()
        except GONE:
            return False
        alive = {name for name, one in states.items() if one.status in {"RUNNING", "STARTING"}}
        return set(self.state.programs) <= alive and self.nginx.generation() is not None


def addresses(programs: Mapping[str, Program]) -> list[str]:
    """The Tornado processes' own addresses, fast ones first."""
    servers = [program for program in programs.values() if program.kind == "server"]
    servers.sort(key=lambda program: (program.service, program.port))
    return [f"http://127.0.0.1:{program.port}" for program in servers]


def family(pid: int, children: Mapping[int, list[int]]) -> Iterator[int]:
    """A process and all that descend from it."""
    yield pid
    for child in children.get(pid, ()):
        yield from family(child, children)


def every_child() -> dict[int, list[int]]:
    """The children of each process of this machine, by one look at them all."""
    found: dict[int, list[int]] = {}
    for process in psutil.process_iter(["ppid"]):
        found.setdefault(process.info["ppid"], []).append(process.pid)
    return found


def running(place: Place | None = None) -> Stack | None:
    """The stack that is up in this place, None when there is none that is whole."""
    layout = Layout(place or default_place())
    found = state.read(layout.state)
    if found is None or not found.split or Supervisor(layout).pid() != found.supervisor_pid:
        return None
    return Stack(layout, found)


def default_url() -> str:
    """The first process of the default place, up or not."""
    return f"http://127.0.0.1:{FIRST_PORT + default_place().offset}"


def log_files(place: Place | None = None) -> dict[str, Path]:
    """The logs of this place by program, supervisord's own among them."""
    return {path.stem: path for path in sorted(Layout(place or default_place()).log.glob("*.log"))}
