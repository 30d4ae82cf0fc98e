"""The stack that runs: databases, Tornado processes and nginx."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import psutil

from deploy.layout import Layout, default_workspace
from deploy.programs import ProgramKind
from deploy.supervisor import GONE, Supervisor
from nginx.apply import Nginx
from nginx.plan import SplitPlan, parse_plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from deploy.services import Workspace
    from nginx.split import Split


@dataclass(frozen=True, slots=True)
class ProgramState:
    """One supervised program; `service` is a database's name, a pool's name, or nginx."""

    kind: str
    service: str
    port: int
    pid: int


@dataclass(frozen=True, slots=True)
class StackState:
    """The contents of `stack.json`, for other programs to read; it exists while all is ready.

    `nginx` and `processes` are URLs, `missing` says why a service is not available, `options` are
    those of every Tornado process, `split` is the active plan, in the shape of split.toml.
    """

    supervisor_pid: int
    programs: Mapping[str, ProgramState]
    nginx: str
    processes: list[str]
    missing: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    nginx_binary: str = ""
    split: Mapping[str, Any] = field(default_factory=dict)

    def ports(self, pool: str) -> tuple[int, ...]:
        """Return the ports of a pool's processes, in order."""
        return self.pools().get(pool, ())

    def pools(self) -> dict[str, tuple[int, ...]]:
        """Return the ports of each pool's processes, in order."""
        pools: dict[str, tuple[int, ...]] = {}
        for program in self.programs.values():
            if program.kind == ProgramKind.SERVER:
                ports = (*pools.get(program.service, ()), program.port)
                pools[program.service] = tuple(sorted(ports))
        return pools

    def write(self, path: Path) -> None:
        """Replace the file atomically."""
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        draft.replace(path)


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
    def plan(self) -> SplitPlan:
        """The active split, as split.toml would say it."""
        return parse_plan(self.state.split)

    @property
    def split(self) -> Split:
        """The active split, with its ports."""
        plan = self.plan
        return plan.split({pool: self.state.ports(pool) for pool in plan.pools})

    def reread(self) -> None:
        """Read from stack.json what another command has changed since."""
        self.state = read_state(self.layout.state) or self.state

    def refresh(self) -> None:
        """Bring `state` and stack.json up to what the supervisor runs."""
        statuses = self.supervisor.states()
        programs = {
            name: replace(program, pid=statuses[name].pid)
            for name, program in self.state.programs.items()
            if name in statuses
        }
        self.save(programs)

    def save(
        self, programs: Mapping[str, ProgramState], split: Mapping[str, Any] | None = None
    ) -> None:
        """Write to stack.json that these programs run, and which split is active."""
        self.state = replace(
            self.state,
            programs=programs,
            processes=server_urls(programs),
            split=self.state.split if split is None else split,
        )
        self.state.write(self.layout.state)

    def pids(self) -> dict[str, dict[str, list[int]]]:
        """Return kind -> program (of databases: service) -> pids, all descendants among them."""
        children = children_by_parent()
        return {
            kind: {
                name: [pid for parent in parents for pid in descendants(parent, children)]
                for name, parents in programs.items()
            }
            for kind, programs in self.roots().items()
        }

    def roots(self) -> dict[str, dict[str, list[int]]]:
        """Return the same without children, some of which end by themselves (PostgreSQL's)."""
        pids: dict[str, dict[str, list[int]]] = {"server": {}, "database": {}, "nginx": {}}
        statuses = self.supervisor.states()
        for name, program in self.state.programs.items():
            if name in statuses and statuses[name].pid:
                key = program.service if program.kind == ProgramKind.DATABASE else name
                pids[program.kind].setdefault(key, []).append(statuses[name].pid)
        return pids

    def is_healthy(self) -> bool:
        """Return whether every program runs and nginx answers with a split."""
        try:
            statuses = self.supervisor.states().values()
        except GONE:
            return False
        alive = {status.name for status in statuses if status.status in {"RUNNING", "STARTING"}}
        return set(self.state.programs) <= alive and self.nginx.generation() is not None


def read_state(path: Path) -> StackState | None:
    """Return the state on disk; None when there is none or it is incomplete."""
    try:
        fields = json.loads(path.read_text())
        programs = {name: ProgramState(**facts) for name, facts in fields.pop("programs").items()}
        return StackState(programs=programs, **fields)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def running(workspace: Workspace | None = None) -> Stack | None:
    """Return the stack that is up in this workspace, None when there is none that is complete."""
    layout = Layout(workspace or default_workspace())
    state = read_state(layout.state)
    if state is None or not state.split or Supervisor(layout).pid() != state.supervisor_pid:
        return None
    return Stack(layout, state)


def server_urls(programs: Mapping[str, ProgramState]) -> list[str]:
    """Return the Tornado processes' own URLs, those of the fast pool first."""
    servers = [p for p in programs.values() if p.kind == ProgramKind.SERVER]
    servers.sort(key=lambda program: (program.service, program.port))
    return [f"http://127.0.0.1:{program.port}" for program in servers]


def descendants(pid: int, children: Mapping[int, list[int]]) -> Iterator[int]:
    """Yield a pid and those of all processes that descend from it."""
    yield pid
    for child in children.get(pid, ()):
        yield from descendants(child, children)


def children_by_parent() -> dict[int, list[int]]:
    """Return the pids of the children of each process of this machine, by one scan."""
    children: dict[int, list[int]] = {}
    for process in psutil.process_iter(["ppid"]):
        children.setdefault(process.info["ppid"], []).append(process.pid)
    return children
