"""The split of the running stack: changed, recorded, undone, tried out."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from deploy.errors import BusyError, StackError
from deploy.history import ChangeKind, SplitChange, read_history, record, undoable
from deploy.layout import Layout, default_workspace
from deploy.locks import LOCK_TIMEOUT, stack_lock
from deploy.rollout import roll_out
from deploy.splitfile import read_split, resized, write_split
from deploy.stack import running
from deploy.trial import (
    Trial,
    abandoned_trial,
    forget_trial,
    has_trial,
    refuse_during_trial,
    start_trial,
)
from nginx.plan import SplitPlan, differences, parse_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from deploy.services import Workspace
    from deploy.stack import Stack


def active_plan(stack: Stack) -> SplitPlan:
    """Return the plan of the active split."""
    stack.reread()
    return stack.plan


def apply(
    stack: Stack,
    plan: SplitPlan,
    by: str = "split set",
    kind: ChangeKind = ChangeKind.EDIT,
    *,
    undoes: int | None = None,
    based_on: SplitPlan | None = None,
    lock_timeout: float = 0.0,
) -> SplitChange:
    """Activate a plan and record it; returns when old workers of nginx have drained.

    `based_on` is the plan that it was made from: BusyError if another one is active by now.
    `lock_timeout` is how many seconds another command has to release the stack.
    Raises SplitError, ApplyError, NotReadyError and StackError (BusyError also while another
    command tries splits). What is raised before the new split is active changes nothing.
    """
    with stack_lock(stack.layout, lock_timeout):
        stack.reread()
        refuse_during_trial(stack.layout)
        if abandoned_trial(stack.layout) or (based_on is not None and based_on != stack.plan):
            raise BusyError("the split was changed meanwhile: look at it, and try again")
        return _apply(stack, plan, by, kind, undoes)


def _apply(
    stack: Stack, plan: SplitPlan, by: str, kind: ChangeKind, undoes: int | None = None
) -> SplitChange:
    """Roll out a plan, and record it as soon as it is active: draining may be interrupted."""
    workspace = stack.layout.workspace
    change = SplitChange(
        number=len(read_history(workspace)) + 1,
        kind=kind,
        by=by,
        when=datetime.now(UTC),
        before=stack.plan.as_dict(),
        after=plan.as_dict(),
        differences=differences(stack.plan, plan),
        apply_s=0.0,
        clean_s=None,
        serving_at=0.0,
        clean_at=None,
        undoes=undoes,
    )

    def on_active(started_at: float, active_at: float) -> None:
        nonlocal change
        change = replace(change, apply_s=round(active_at - started_at, 3), serving_at=active_at)
        if change.kind is not ChangeKind.TRIAL:
            write_split(stack.layout, plan)
        record(workspace, change)

    times = roll_out(stack, plan, on_active)
    drain_s = round(times.drained_at - times.started_at, 3)
    change = replace(change, clean_s=drain_s, clean_at=times.drained_at)
    record(workspace, change)
    return change


def resize(
    stack: Stack,
    fast: int | None = None,
    slow: int | None = None,
    by: str = "up",
    kind: ChangeKind = ChangeKind.EDIT,
) -> None:
    """Run so many processes in each pool, on record.

    When it returns nginx serves exactly these, and its old workers have drained. The rest of the
    split stays; a pool gets the weights back that it had when it last had as many processes. Raises
    what `apply` raises.
    """
    with stack_lock(stack.layout, LOCK_TIMEOUT):
        stack.reread()
        former_plans = [stack.plan, *_wanted_plans(stack.layout)]
        plan = resized(stack.plan, fast, slow).with_weights_of(former_plans)
        if plan != stack.plan:
            refuse_during_trial(stack.layout)
            _apply(stack, plan, by, kind)


def _wanted_plans(layout: Layout) -> list[SplitPlan]:
    """Return what people wanted the split to be, the file first, then the history from its end."""
    changes = [c for c in read_history(layout.workspace) if c.kind is not ChangeKind.TRIAL]
    return [read_split(layout), *(parse_plan(change.before) for change in reversed(changes))]


def undo(stack: Stack, by: str = "split undo") -> SplitChange:
    """Take back the last edit that is not taken back yet; raises StackError if there is none."""
    change = undoable(read_history(stack.layout.workspace))
    if change is None:
        raise StackError("there is no change of the split to undo")
    return apply(stack, parse_plan(change.before), by, ChangeKind.UNDO, undoes=change.number)


@contextmanager
def on_trial(stack: Stack, by: str) -> Iterator[Trial]:
    """Refuse changes by others while the block tries splits; raises BusyError.

    The block puts the former split back.
    """
    with ExitStack() as block:
        with stack_lock(stack.layout, LOCK_TIMEOUT):
            _put_back(stack.layout)
            stack.reread()
            trial = block.enter_context(start_trial(stack.layout, by, stack.plan))
        yield trial


def put_back(say: Callable[[str], None], workspace: Workspace | None = None) -> bool:
    """Bring back the split from before the trials of a command that was killed, and say so.

    Returns whether there was such a command. Raises what `apply` raises.
    """
    layout = Layout(workspace or default_workspace())
    if not has_trial(layout):
        return False
    with stack_lock(layout, LOCK_TIMEOUT):
        command = _put_back(layout)
    if command:
        say(f"{command} was killed while it tried splits: the former split is back")
    return command is not None


def killed_command(workspace: Workspace | None = None) -> str | None:
    """Return which command was killed while it tried splits, unless its split was put back."""
    layout = Layout(workspace or default_workspace())
    if not has_trial(layout):
        return None
    try:
        with stack_lock(layout):
            abandoned = abandoned_trial(layout)
    except BusyError:  # by whoever tries splits, most likely
        return None
    return abandoned[0] if abandoned else None


def _put_back(layout: Layout) -> str | None:
    """Return who was killed; a stack that is down starts with its file, which has no trials."""
    abandoned = abandoned_trial(layout)
    if abandoned is None:
        return None
    command, former = abandoned
    stack = running(layout.workspace)
    if stack is not None and stack.plan != former:
        _apply(stack, former, "put back", ChangeKind.TRIAL)
    forget_trial(layout)
    return command
