"""Bringing a stack up and down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy import splits, trial
from deploy.launch import Launch
from deploy.layout import Layout, default_place
from deploy.locks import stack_lock, take_over_lease
from deploy.processes import Options
from deploy.stack import Stack, running
from deploy.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from deploy.services import Place


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
    """Return the stack that runs already, resized if need be, or start a new one.

    None leaves a running stack as it is; a new one then has all databases, pools as in
    .run/split.toml, asyncio and 10 connections. A stack that lacks a database or runs another event
    loop is restarted. A database that is not available is listed in `state.missing`; raises
    StackError for everything else.
    """
    layout = Layout(place or default_place())
    given = {"loop": loop, "connections": connections}
    options = {name: value for name, value in given.items() if value is not None}
    with stack_lock(layout):
        is_left_over = take_over_lease(layout)
        stack = _reusable_stack(layout, options, services)
        if stack is None:
            trial.refuse(layout)
            sweep(layout, say)
            launch = Launch(layout, Options(**options), say)  # type: ignore[arg-type]
            return Stack(layout, launch.up(services, processes, slow), started=True)
    stack.started = is_left_over
    stack.refresh()
    splits.resize(stack, processes, slow)
    return stack


def _reusable_stack(
    layout: Layout, options: Mapping[str, object], services: Iterable[str] | None
) -> Stack | None:
    """Return the running stack if it is healthy and has these options and services."""
    stack = running(layout.place)
    if stack is None or not stack.healthy() or not options.items() <= stack.state.options.items():
        return None
    present = {program.service for program in stack.state.programs.values()}
    return stack if set(services or ()) <= present | set(stack.state.missing) else None


def down(
    place: Place | None = None,
    say: Callable[[str], None] = lambda _: None,
    lock_timeout: float = 0.0,
) -> bool:
    """Stop everything of this place, in order; returns whether anything was running."""
    layout = Layout(place or default_place())
    with stack_lock(layout, lock_timeout):
        return sweep(layout, say)
