"""From one split to another while requests come: start, reload, wait, drain.

Processes that a pool gains are ready before nginx sends them requests; those that it loses are
stopped once no worker of nginx can send them any. What fails before the new split is active leaves
everything as it was.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from deploy.errors import NotReadyError
from deploy.ports import assign_ports, ports_of, require_free
from deploy.programs import ProgramKind, ServerOptions, kind_of, server_instance
from deploy.readiness import wait_ready
from deploy.stack import ProgramState
from nginx.apply import DRAIN_MARGIN, ReloadTimes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from deploy.services import Instance
    from deploy.stack import Stack
    from nginx.apply import Reload
    from nginx.plan import SplitPlan
    from nginx.split import Split

READY_TIMEOUT = 60.0
"""Seconds for a new Tornado process to become ready."""


def roll_out(
    stack: Stack, plan: SplitPlan, on_active: Callable[[float, float], None] = lambda *_: None
) -> ReloadTimes:
    """Activate a plan; the caller holds the stack's lock.

    `on_active` is called with the moments (Unix seconds) when the rollout began and from when on
    every new connection gets the new split. Raises SplitError, PortTakenError, NotReadyError and
    nginx.apply.ApplyError.
    """
    started_at = time.time()
    _stop_unused(stack, stack.split)  # what a change that was killed may have left
    sizes = {pool: plan.processes(pool) for pool in plan.pools}
    offset = stack.layout.workspace.offset
    split = plan.split(assign_ports(sizes, stack.state.pools(), offset))
    stack.nginx.check(split)
    servers = _new_servers(stack, split)
    reload, active_at = _activate(stack, split, servers)
    _save_state(stack, plan, split, servers)
    on_active(started_at, active_at)
    reload.await_drained(split.drain_timeout + DRAIN_MARGIN)
    drained_at = time.time()
    _stop_unused(stack, split)
    stack.refresh()
    return ReloadTimes(started_at, active_at, drained_at)


def _new_servers(stack: Stack, split: Split) -> list[Instance]:
    options, held = ServerOptions(**stack.state.options), stack.state.pools()
    return [
        server_instance(stack.layout, name, port, options)
        for name, pool in split.pools.items()
        for port in pool.ports
        if port not in held.get(name, ())
    ]


def _activate(stack: Stack, split: Split, servers: Sequence[Instance]) -> tuple[Reload, float]:
    require_free(ports_of(stack.layout.workspace, servers))
    try:
        if servers:
            stack.supervisor.add(servers)
        if reasons := wait_ready(stack.supervisor, servers, READY_TIMEOUT):
            raise NotReadyError("; ".join(f"{name} {why}" for name, why in reasons.items()))
        reload = stack.nginx.reload(split)
        return reload, reload.await_active()
    except BaseException:
        stack.supervisor.remove([instance.name for instance in servers])
        raise


def _save_state(stack: Stack, plan: SplitPlan, split: Split, servers: Sequence[Instance]) -> None:
    programs = {
        name: program
        for name, program in stack.state.programs.items()
        if program.kind != ProgramKind.SERVER or program.port in split.ports
    }
    statuses = stack.supervisor.states()
    for instance in servers:
        pid = statuses[instance.name].pid if instance.name in statuses else 0
        programs[instance.name] = ProgramState(
            ProgramKind.SERVER, instance.service, instance.port, pid
        )
    stack.save(programs, plan.as_dict())


def _stop_unused(stack: Stack, split: Split) -> None:
    """Stop the processes that the split does not have, after the requests that they work on."""
    kept = {f"server-{port}" for port in split.ports}
    servers = [name for name in stack.supervisor.states() if kind_of(name) == ProgramKind.SERVER]
    if unused := [name for name in servers if name not in kept]:
        stack.supervisor.remove(unused)
