"""The stack: databases, Tornado processes and nginx, up together and down in order."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import psutil

from deploy import state, trial
from deploy.errors import BusyError, StackError
from deploy.launch import Launch
from deploy.layout import FIRST_PORT, PROJECT, Layout
from deploy.lease import take_over, taken
from deploy.processes import Options
from deploy.services import Place
from deploy.supervisor import GONE, Supervisor
from deploy.sweep import sweep
from nginx.apply import Nginx
from nginx.plan import Plan, plan_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from deploy.state import Program, StackState
    from nginx.split import Split

_HIGHEST_OFFSET = 65535 - 29115

PATIENCE = 120.0
"""Seconds that a command which is under way waits for another to let go of the stack."""

_PAUSE = 0.05


def default_place() -> Place:
    """`.run` of this project, or the folder WINDTUNNEL_FOLDER; WINDTUNNEL_OFFSET moves every port.

    Fetched programs are shared by all folders. Raises StackError for an offset that is no number.
    """
    usual = PROJECT / ".run"
    root = Path(os.environ.get("WINDTUNNEL_FOLDER") or usual).absolute()
    offset = os.environ.get("WINDTUNNEL_OFFSET") or "0"
    if not offset.isdecimal() or int(offset) > _HIGHEST_OFFSET:
        raise StackError(f"WINDTUNNEL_OFFSET={offset}: give a number from 0 to {_HIGHEST_OFFSET}")
    shared = None if root == usual else Place(usual).programs
    return Place(root, offset=int(offset), programs_folder=shared)


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

    def resize(
        self,
        fast: int | None = None,
        slow: int | None = None,
        by: str = "up",
        undoes: int | None = None,
    ) -> float:
        """Run so many processes in each pool, on record, and return the seconds it took.

        When it returns nginx serves exactly these, and no old worker of nginx remains. All else
        of the split stays; weights that no longer fit are back with the number of processes that
        they were for. Raises what `deploy.splits.apply` raises.
        """
        from deploy import splits  # which knows stacks

        begun = time.monotonic()
        splits.resize(self, fast, slow, by, undoes)
        return time.monotonic() - begun

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
        self.adopt(programs)

    def adopt(
        self, programs: Mapping[str, Program], split: Mapping[str, Any] | None = None
    ) -> None:
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


@contextlib.contextmanager
def locked(layout: Layout, patience: float = 0.0) -> Iterator[None]:
    """One command at a time starts or stops things. A killed one holds none.

    Raises BusyError if another command still does after `patience` seconds.
    """
    layout.root.mkdir(parents=True, exist_ok=True)
    with (layout.root / "lock").open("a+") as file:
        _take(file, patience)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _take(file: IO[str], patience: float) -> None:
    deadline = time.monotonic() + patience
    while not taken(file):
        if time.monotonic() >= deadline:
            file.seek(0)
            pid = file.read().strip() or "?"
            raise BusyError(f"another command (pid {pid}) starts or stops this stack: wait for it")
        time.sleep(_PAUSE)


def running(place: Place | None = None) -> Stack | None:
    """The stack that is up in this place, None when there is none that is whole."""
    layout = Layout(place or default_place())
    found = state.read(layout.state)
    if found is None or not found.split or Supervisor(layout).pid() != found.supervisor_pid:
        return None
    return Stack(layout, found)


def ensure_up(
    services: Sequence[str] | None = None,
    processes: int | None = None,
    slow: int | None = None,
    loop: str | None = None,
    *,
    connections: int | None = None,
    say: Callable[[str], None] = lambda _: None,
    place: Place | None = None,
) -> Stack:
    """The stack that runs already, resized if need be, or a fresh one.

    None leaves a running stack as it is; a fresh one then has all databases, pools as
    .run/split.toml says, asyncio, 10 connections. A stack that lacks a database or runs on another
    loop is restarted. A database that cannot be had stands in `state.missing`; raises StackError
    for all else.
    """
    layout = Layout(place or default_place())
    given = {"loop": loop, "connections": connections}
    options = {name: value for name, value in given.items() if value is not None}
    with locked(layout):
        left = take_over(layout)
        stack = _as_wanted(layout, options, services)
        if stack is None:
            trial.refuse(layout)
            sweep(layout, say)
            launch = Launch(layout, Options(**options), say)  # type: ignore[arg-type]
            return Stack(layout, launch.up(services, processes, slow), started=True)
    stack.started = left
    stack.refresh()
    stack.resize(processes, slow)
    return stack


def _as_wanted(
    layout: Layout, options: Mapping[str, object], services: Iterable[str] | None
) -> Stack | None:
    stack = running(layout.place)
    if stack is None or not stack.healthy() or not options.items() <= stack.state.options.items():
        return None
    there = {program.service for program in stack.state.programs.values()}
    return stack if set(services or ()) <= there | set(stack.state.missing) else None


def down(
    place: Place | None = None,
    say: Callable[[str], None] = lambda _: None,
    patience: float = 0.0,
) -> bool:
    """Stop everything of this place, in order; returns whether there was anything."""
    layout = Layout(place or default_place())
    with locked(layout, patience):
        return sweep(layout, say)


def default_url() -> str:
    """The first process of the default place, up or not."""
    return f"http://127.0.0.1:{FIRST_PORT + default_place().offset}"


def log_files(place: Place | None = None) -> dict[str, Path]:
    """The logs of this place by program, supervisord's own among them."""
    return {path.stem: path for path in sorted(Layout(place or default_place()).log.glob("*.log"))}
