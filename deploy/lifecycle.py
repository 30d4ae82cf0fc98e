"""Setting a stack up, bringing it up and taking it down."""

from __future__ import annotations

import contextlib
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from deploy import splits
from deploy.cleanup import stop_everything
from deploy.errors import NotReadyError
from deploy.layout import Layout, default_workspace
from deploy.locks import stack_lock, take_over_lease
from deploy.ports import assign_ports, ports_of, require_free
from deploy.programs import (
    ProgramKind,
    ServerOptions,
    databases,
    kind_of,
    nginx_binary,
    nginx_instance,
    refuse_wrong_addresses,
    server_instance,
)
from deploy.readiness import wait_ready
from deploy.services import Instance, obtain_all, prepare_all
from deploy.splitfile import initial_plan, resized
from deploy.stack import ProgramState, Stack, StackState, running
from deploy.supervisor import Supervisor
from deploy.trial import refuse_during_trial
from nginx.apply import Nginx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from deploy.services import Workspace
    from nginx.plan import SplitPlan
    from nginx.split import Split

READY_TIMEOUT = 90.0
"""Seconds for everything to become ready; a cold Elasticsearch on a busy machine takes most."""


def set_up(
    say: Callable[[str], None],
    workspace: Workspace | None = None,
    names: Sequence[str] | None = None,
) -> dict[str, str]:
    """Fetch programs and make data folders, so that `up` and a run need no network.

    Returns service -> why it is not available here. Raises StackError when there is no nginx.
    """
    workspace = workspace or default_workspace()
    refuse_wrong_addresses(workspace.environ)
    with stack_lock(Layout(workspace)):
        services = databases() if names is None else names
        programs, missing = obtain_all(workspace, [*services, "nginx"], say)
        nginx_binary(programs, missing)
        _, unprepared = prepare_all(workspace, programs)
    return {name: str(reason) for name, reason in (missing | unprepared).items()}


def ensure_up(
    services: Sequence[str] | None = None,
    processes: int | None = None,
    slow: int | None = None,
    loop: str | None = None,
    *,
    connections: int | None = None,
    say: Callable[[str], None] = lambda _: None,
    workspace: Workspace | None = None,
) -> Stack:
    """Return the stack that runs already, resized if need be, or start a new one.

    None leaves a running stack as it is; a new one then has all databases, pools as in
    .run/split.toml, asyncio and 10 connections. A stack that lacks a database or runs another event
    loop is restarted. A database that is not available is listed in `state.missing`; raises
    StackError for everything else.
    """
    layout = Layout(workspace or default_workspace())
    given = {"loop": loop, "connections": connections}
    options = {name: value for name, value in given.items() if value is not None}
    with stack_lock(layout):
        is_left_over = take_over_lease(layout)
        stack = _reusable_stack(layout, options, services)
        if stack is None:
            refuse_during_trial(layout)
            refuse_wrong_addresses(layout.workspace.environ)
            stop_everything(layout, say)
            launch = Launch(layout, ServerOptions(**options), say)  # type: ignore[arg-type]
            return Stack(layout, launch.start(services, processes, slow), started=True)
    stack.started = is_left_over
    stack.refresh()
    splits.resize(stack, processes, slow)
    return stack


def _reusable_stack(
    layout: Layout, options: Mapping[str, object], services: Iterable[str] | None
) -> Stack | None:
    """Return the running stack if it is healthy and has these options and services."""
    stack = running(layout.workspace)
    if (
        stack is None
        or not stack.is_healthy()
        or not options.items() <= stack.state.options.items()
    ):
        return None
    present = {program.service for program in stack.state.programs.values()}
    return stack if set(services or ()) <= present | set(stack.state.missing) else None


def down(
    workspace: Workspace | None = None,
    say: Callable[[str], None] = lambda _: None,
    lock_timeout: float = 0.0,
) -> bool:
    """Stop everything of this workspace, in order; returns whether anything was running."""
    layout = Layout(workspace or default_workspace())
    with stack_lock(layout, lock_timeout):
        return stop_everything(layout, say)


@dataclass(slots=True)
class Launch:
    """One attempt to start a stack where nothing of it runs; `missing`: service -> reason."""

    layout: Layout
    options: ServerOptions
    say: Callable[[str], None]
    missing: dict[str, str] = field(default_factory=dict)

    def start(
        self, services: Sequence[str] | None, fast: int | None, slow: int | None
    ) -> StackState:
        """Start everything, wait until it is ready, write stack.json; raises StackError.

        On failure or interruption everything that was started is stopped again.
        """
        began = time.monotonic()
        self.layout.log.mkdir(parents=True, exist_ok=True)
        plan = resized(initial_plan(self.layout, self.say), fast, slow)
        sizes = {pool: plan.processes(pool) for pool in plan.pools}
        split = plan.split(assign_ports(sizes, {}, self.layout.workspace.offset))
        instances, binary = self._programs(databases() if services is None else services)
        nginx = Nginx(binary, self.layout.nginx, self.layout.nginx_port)
        instances += self._servers(split)
        instances.append(nginx_instance(nginx, nginx.write(split).generation))
        require_free(ports_of(self.layout.workspace, instances))
        self._rotate_logs()
        self.say(f"starting {_listing(instances)}")
        state = self._start(instances, nginx, plan)
        self.say(f"ready in {time.monotonic() - began:.1f} s")
        return state

    def _programs(self, services: Sequence[str]) -> tuple[list[Instance], str]:
        """Return the databases to start and nginx's file; what is not available is `missing`."""
        workspace = self.layout.workspace
        programs, missing = obtain_all(workspace, [*services, "nginx"], self.say)
        binary = nginx_binary(programs, missing)
        instances, unprepared = prepare_all(workspace, programs)
        self.missing |= {name: str(reason) for name, reason in (missing | unprepared).items()}
        return instances, binary

    def _servers(self, split: Split) -> list[Instance]:
        return [
            server_instance(self.layout, name, port, self.options)
            for name, pool in split.pools.items()
            for port in pool.ports
        ]

    def _rotate_logs(self) -> None:
        for log in [*self.layout.log.glob("*.log"), self.layout.nginx / "access.log"]:
            with contextlib.suppress(FileNotFoundError):
                log.replace(log.with_suffix(".log.1"))

    def _start(self, instances: Sequence[Instance], nginx: Nginx, plan: SplitPlan) -> StackState:
        supervisor = Supervisor(self.layout)
        try:
            pid = supervisor.start(instances)
            reasons = wait_ready(supervisor, instances, READY_TIMEOUT)
            self._drop_databases(supervisor, instances, reasons)
            state = replace(self._state(supervisor, pid, instances, nginx), split=plan.as_dict())
        except BaseException:
            stop_everything(self.layout, self.say)
            raise
        state.write(self.layout.state)
        return state

    def _drop_databases(
        self, supervisor: Supervisor, instances: Sequence[Instance], reasons: Mapping[str, str]
    ) -> None:
        """A database that did not come up costs its rows; anything else costs the stack."""
        if fatal := [name for name in reasons if kind_of(name) != ProgramKind.DATABASE]:
            others = f" (and {len(fatal) - 1} more)" if len(fatal) > 1 else ""
            raise NotReadyError(f"{fatal[0]} {reasons[fatal[0]]}{others}")
        supervisor.remove(reasons)
        for instance in instances:
            if instance.name in reasons:
                self.missing[instance.service] = f"{instance.name} {reasons[instance.name]}"

    def _state(
        self, supervisor: Supervisor, pid: int, instances: Sequence[Instance], nginx: Nginx
    ) -> StackState:
        statuses = supervisor.states()
        programs = {
            i.name: ProgramState(kind_of(i.name), i.service, i.port, statuses[i.name].pid)
            for i in instances
            if i.name in statuses
        }
        servers = [i for i in instances if kind_of(i.name) == ProgramKind.SERVER]
        return StackState(
            supervisor_pid=pid,
            programs=programs,
            nginx=f"http://127.0.0.1:{nginx.port}",
            processes=[f"http://127.0.0.1:{server.port}" for server in servers],
            missing=self.missing,
            options=asdict(self.options),
            nginx_binary=nginx.binary,
        )


def _listing(instances: Sequence[Instance]) -> str:
    kinds = {instance.name: kind_of(instance.name) for instance in instances}
    names = [name for name, kind in kinds.items() if kind == ProgramKind.DATABASE]
    servers = list(kinds.values()).count(ProgramKind.SERVER)
    return ", ".join([*names, f"{servers} Tornado processes", "nginx"])
