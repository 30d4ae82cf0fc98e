"""A trial of splits on one stack: others are activated, and the former one is back in the end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from deploy import splits
from deploy.errors import StackError
from deploy.history import ChangeKind, SplitChange
from deploy.locks import LOCK_TIMEOUT
from deploy.stack import Stack
from deploy.supervisor import GONE
from deploy.trial import Trial
from nginx.apply import ApplyError
from nginx.plan import SplitPlan

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Those that end a command, and are held while the former split is activated."""


class NotRestoredError(StackError):
    """A split on trial is still active."""


def activate(stack: Stack, plan: SplitPlan, by: str) -> SplitChange | None:
    """Activate a split and return the change; None if it was active already.

    Returns when nothing else serves any more; waits for another command that holds the stack.
    Raises what `deploy.splits.apply` raises.
    """
    if splits.active_plan(stack) == plan:
        return None
    return splits.apply(stack, plan, by, ChangeKind.TRIAL, lock_timeout=LOCK_TIMEOUT)


@contextmanager
def try_splits(stack: Stack, by: str) -> Iterator[Trial]:
    """Try splits while the block runs; the former one is back in the end.

    Also when the block is ended by Ctrl-C, SIGTERM or SIGHUP; a second of them waits. Raises
    BusyError while another command tries splits, and NotRestoredError.
    """
    with splits.on_trial(stack, by) as trial, ExitStack() as cleanup:
        cleanup.callback(_hold_signals, lambda: _restore(stack, trial))
        yield trial


def _restore(stack: Stack, trial: Trial) -> None:
    try:
        activate(stack, trial.former, trial.by)
    except (StackError, ApplyError, *GONE) as error:
        line = (str(error) or type(error).__name__).splitlines()[0]
        raise NotRestoredError(
            "a split on trial is still active; back to the former one: windtunnel split undo, "
            f"or the next up ({line})"
        ) from error
    trial.end()


def _hold_signals(work: Callable[[], object]) -> None:
    """Do work that no signal interrupts."""
    handlers = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    try:
        work()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
