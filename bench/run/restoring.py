"""The split of a stack while others are tried: brought into force, and back whatever happens."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from deploy import splits
from deploy.errors import StackError
from deploy.history import Change, ChangeKind
from deploy.locks import LOCK_TIMEOUT
from deploy.stack import Stack
from deploy.supervisor import GONE
from deploy.trial import Trial
from nginx.apply import ApplyError
from nginx.plan import Plan

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class NotRestoredError(StackError):
    """A split on trial is still in force."""


def bring(stack: Stack, plan: Plan, by: str) -> Change | None:
    """Bring a split into force and return the change; None if it was in force already.

    Returns when nothing else serves any more; waits for another command that holds the stack.
    Raises what `deploy.splits.apply` raises.
    """
    if splits.plan(stack) == plan:
        return None
    return splits.apply(stack, plan, by, ChangeKind.TRIAL, lock_timeout=LOCK_TIMEOUT)


@contextmanager
def trying(stack: Stack, by: str) -> Iterator[Trial]:
    """Try splits while the block runs; the former one is back in the end.

    Also when the block is ended by Ctrl-C, SIGTERM or SIGHUP; a second of them waits. Raises
    BusyError while another command tries splits, and NotRestoredError.
    """
    with splits.on_trial(stack, by) as trial, ExitStack() as left:
        left.callback(_undisturbed, lambda: _restore(stack, trial))
        yield trial


def _restore(stack: Stack, trial: Trial) -> None:
    try:
        bring(stack, trial.former, trial.by)
    except (StackError, ApplyError, *GONE) as error:
        line = (str(error) or type(error).__name__).splitlines()[0]
        raise NotRestoredError(
            "a split on trial is still in force; back to the one before: windtunnel split undo, "
            f"or the next up ({line})"
        ) from error
    trial.end()


def _undisturbed(what: Callable[[], object]) -> None:
    before = {each: signal.signal(each, lambda *_: None) for each in ENDING}
    try:
        what()
    finally:
        for each, former in before.items():
            signal.signal(each, former)
