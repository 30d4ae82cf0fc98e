"""From nothing to a stack that is ready: programs, folders, ports, supervisor, readiness."""

from __future__ import annotations

import contextlib
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from deploy import ports, state
from deploy.errors import NotReadyError
from deploy.kinds import Kind, kind
from deploy.processes import Options, checked_nginx, databases, nginx_instance, server
from deploy.readiness import wait_ready
from deploy.services import Instance, ensure_all, prepare_all
from deploy.splitfile import resized, settled
from deploy.supervisor import Supervisor
from deploy.sweep import sweep
from nginx.apply import Nginx

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from deploy.layout import Layout
    from nginx.plan import Plan
    from nginx.split import Split

TIMEOUT = 90.0
"""Seconds for everything to become ready; a cold Elasticsearch on a busy machine takes most."""


@dataclass(slots=True)
class Launch:
    """One attempt to bring a stack up where nothing of it runs."""

    layout: Layout
    options: Options
    say: Callable[[str], None]
    missing: dict[str, str] = field(default_factory=dict)

    def up(
        self, wanted: Sequence[str] | None, fast: int | None, slow: int | None
    ) -> state.StackState:
        """Start everything, wait until it is ready, write stack.json; raises StackError.

        What was started is stopped again when it does not work out or is interrupted.
        """
        begun = time.monotonic()
        self.layout.log.mkdir(parents=True, exist_ok=True)
        plan = self._plan(fast, slow)
        split = plan.split(self.layout.allot({p: plan.processes(p) for p in plan.pools}, {}))
        instances, binary = self._programs(databases() if wanted is None else wanted)
        nginx = Nginx(binary, self.layout.nginx, self.layout.nginx_port)
        front = [*self._servers(split), nginx_instance(nginx, nginx.write(split).generation)]
        everything = [*instances, *front]
        ports.require_free(ports.ports_of(self.layout.place, everything))
        self._start_fresh_logs()
        self.say(f"starting {_listing(everything)}")
        told = self._start(everything, nginx, plan)
        self.say(f"ready in {time.monotonic() - begun:.1f} s")
        return told

    def _plan(self, fast: int | None, slow: int | None) -> Plan:
        return resized(settled(self.layout, self.say), fast, slow)

    def _programs(self, wanted: Sequence[str]) -> tuple[list[Instance], str]:
        """The databases to start, and the file of nginx; what cannot be had goes to `missing`."""
        place = self.layout.place
        programs, lacking = ensure_all(place, [*wanted, "nginx"], self.say)
        binary = checked_nginx(programs, lacking)
        instances, broken = prepare_all(place, programs)
        self.missing |= {name: str(missing) for name, missing in (lacking | broken).items()}
        return instances, binary

    def _servers(self, split: Split) -> list[Instance]:
        return [
            server(self.layout, name, port, self.options)
            for name, pool in split.pools.items()
            for port in pool.ports
        ]

    def _start_fresh_logs(self) -> None:
        logs = [*self.layout.log.glob("*.log"), self.layout.nginx / "access.log"]
        for log in logs:
            with contextlib.suppress(FileNotFoundError):
                log.replace(log.with_suffix(".log.1"))

    def _start(self, everything: Sequence[Instance], nginx: Nginx, plan: Plan) -> state.StackState:
        supervisor = Supervisor(self.layout)
        try:
            pid = supervisor.start(everything)
            late = wait_ready(supervisor, everything, TIMEOUT)
            self._judge(supervisor, everything, late)
            told = self._state(supervisor, pid, everything, nginx)
            told = replace(told, split=plan.as_dict())
        except BaseException:
            sweep(self.layout, self.say)
            raise
        told.write(self.layout.state)
        return told

    def _judge(
        self, supervisor: Supervisor, everything: Sequence[Instance], late: dict[str, str]
    ) -> None:
        """A database that did not come up costs its rows; anything else costs the stack."""
        if fatal := [name for name in late if kind(name) != Kind.DATABASE]:
            more = f" (and {len(fatal) - 1} more)" if len(fatal) > 1 else ""
            raise NotReadyError(f"{fatal[0]} {late[fatal[0]]}{more}")
        supervisor.remove(late)
        for one in everything:
            if one.name in late:
                self.missing[one.service] = f"{one.name} {late[one.name]}"

    def _state(
        self, supervisor: Supervisor, pid: int, everything: Sequence[Instance], nginx: Nginx
    ) -> state.StackState:
        running = supervisor.states()
        programs = {
            one.name: state.Program(kind(one.name), one.service, one.port, running[one.name].pid)
            for one in everything
            if one.name in running
        }
        servers = [one for one in everything if kind(one.name) == Kind.SERVER]
        return state.StackState(
            supervisor_pid=pid,
            programs=programs,
            nginx=f"http://127.0.0.1:{nginx.port}",
            processes=[f"http://127.0.0.1:{one.port}" for one in servers],
            missing=self.missing,
            options=asdict(self.options),
            nginx_binary=nginx.binary,
        )


def _listing(everything: Sequence[Instance]) -> str:
    databases = [one.name for one in everything if kind(one.name) == Kind.DATABASE]
    servers = sum(kind(one.name) == Kind.SERVER for one in everything)
    return ", ".join([*databases, f"{servers} Tornado processes", "nginx"])
