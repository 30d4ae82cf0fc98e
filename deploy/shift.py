"""From one split to another while requests come: start, reload, wait, drain.

Processes that a pool gains are ready before nginx knows them; those that it loses are told to
leave when no worker of nginx can send them anything. What fails before the new split is served
leaves everything as it was.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy import ports, state
from deploy.errors import NotReadyError
from deploy.kinds import Kind, kind
from deploy.processes import Options, server
from deploy.readiness import wait_ready

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from deploy.services import Instance
    from deploy.stack import Stack
    from nginx.apply import Reload
    from nginx.plan import Plan
    from nginx.split import Split

SERVER_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Shift:
    """When it began, when only the new split was served, when no old worker was left (Unix s)."""

    begun: float
    serving: float
    clean: float


def shift(
    stack: Stack, plan: Plan, served: Callable[[float, float], None] = lambda *_: None
) -> Shift:
    """Bring a plan into force; the caller holds the stack's lock.

    `served` hears of the beginning and of the moment from which only the new split is served.
    Raises SplitError, PortTakenError, NotReadyError and nginx.apply.ApplyError.
    """
    begun = time.time()
    _drain(stack, stack.split)  # what a change that was killed may have left
    numbers = {pool: plan.processes(pool) for pool in plan.pools}
    given = stack.layout.allot(numbers, stack.state.pools())
    split = plan.split(given)
    stack.nginx.check(split)
    fresh = _fresh(stack, split)
    reload, serving = _serve(stack, split, fresh)
    _adopt(stack, plan, split, fresh)
    served(begun, serving)
    reload.await_clean(split.patience + 10)
    clean = time.time()
    _drain(stack, split)
    stack.refresh()
    return Shift(begun, serving, clean)


def _fresh(stack: Stack, split: Split) -> list[Instance]:
    options, had = Options(**stack.state.options), stack.state.pools()
    return [
        server(stack.layout, name, port, options)
        for name, pool in split.pools.items()
        for port in pool.ports
        if port not in had.get(name, ())
    ]


def _serve(stack: Stack, split: Split, fresh: Sequence[Instance]) -> tuple[Reload, float]:
    ports.require_free(ports.wanted(stack.layout.place, fresh))
    try:
        if fresh:
            stack.supervisor.add(fresh)
        if late := wait_ready(stack.supervisor, fresh, SERVER_TIMEOUT):
            raise NotReadyError("; ".join(f"{name} {why}" for name, why in late.items()))
        reload = stack.nginx.reload(split)
        return reload, reload.await_serving()
    except BaseException:
        stack.supervisor.remove([one.name for one in fresh])
        raise


def _adopt(stack: Stack, plan: Plan, split: Split, fresh: Sequence[Instance]) -> None:
    programs = {
        name: program
        for name, program in stack.state.programs.items()
        if program.kind != Kind.SERVER or program.port in split.ports
    }
    running = stack.supervisor.states()
    for one in fresh:
        pid = running[one.name].pid if one.name in running else 0
        programs[one.name] = state.Program(Kind.SERVER, one.service, one.port, pid)
    stack.adopt(programs, plan.as_dict())


def _drain(stack: Stack, split: Split) -> None:
    """Stop the processes that the split does not have, each when it has answered what it has."""
    kept = {f"server-{port}" for port in split.ports}
    servers = [name for name in stack.supervisor.states() if kind(name) == Kind.SERVER]
    if gone := [name for name in servers if name not in kept]:
        stack.supervisor.remove(gone)
