"""The split of a stack while others are tried: brought into force, and back whatever happens."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

from deploy import splits
from deploy.splits import Change
from deploy.stack import PATIENCE, Stack
from nginx.plan import Plan

Handler = Callable[[int, FrameType | None], object] | signal.Handlers

OF_NO_ACCOUNT = 0
"""What a change on trial says that it undoes, so that `split undo` takes it for none of a person's.
"""


def bring(stack: Stack, plan: Plan, by: str) -> Change | None:
    """Bring a split into force and return the change; None if it was in force already.

    Returns when nothing else serves any more; waits for another command that holds the stack.
    Raises what `deploy.splits.apply` raises.
    """
    if splits.plan(stack) == plan:
        return None
    return splits.apply(stack, plan, by, OF_NO_ACCOUNT, patience=PATIENCE)


@contextmanager
def restoring(back: Callable[[], object]) -> Iterator[None]:
    """Do `back` when the block ends: by itself, by Ctrl-C or SIGTERM; a second of them waits."""
    with _answered(interrupted, signal.SIGTERM), ExitStack() as left:
        left.callback(_undisturbed, back)
        yield


def interrupted(*_: object) -> None:
    """End as Ctrl-C does."""
    raise KeyboardInterrupt


def _undisturbed(what: Callable[[], object]) -> None:
    with _answered(signal.SIG_IGN, signal.SIGINT, signal.SIGTERM):
        what()


@contextmanager
def _answered(answer: Handler, *signals: signal.Signals) -> Iterator[None]:
    before = {each: signal.signal(each, answer) for each in signals}
    try:
        yield
    finally:
        for each, former in before.items():
            signal.signal(each, former)
