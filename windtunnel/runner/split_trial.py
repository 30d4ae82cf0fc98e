"""A trial of splits on one stack: others are activated, and the former one is back in the end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
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
from nginx.plan import SplitPlan, edit_plan
from windtunnel.runner.cell_plan import Variant
from windtunnel.runner.stack import StackTarget
from windtunnel.runner.targets import Variants, variant_server
from windtunnel.workload.stores import discover

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


BY_RUN: Final = "run"


class SplitTarget(StackTarget):
    """The stack under one split, loaded through nginx."""

    def __init__(self, running: Stack, plan: SplitPlan) -> None:
        super().__init__(running)
        self._plan = plan

    def url(self, processes: int) -> str:  # noqa: ARG002
        """Activate the split, unless it is, and return nginx's address."""
        activate(self.stack, self._plan, BY_RUN)
        return self.stack.state.nginx


@contextmanager
def split_variants(stack: Stack, changes: Mapping[str, Mapping[str, str]]) -> Iterator[Variants]:
    """Return a variant for each split: by its name, what it changes of the active one.

    The active one is active again in the end. Raises SplitError for what cannot be, before anything
    is changed, and what `deploy.splits.apply` raises.
    """
    with try_splits(stack, BY_RUN) as trial:
        plans = {name: edit_plan(trial.former, settings) for name, settings in changes.items()}
        stores = discover(stack.state.processes[0])[1]
        yield Variants(
            tuple(
                variant_server(SplitTarget(stack, plan), stores, Variant(name))
                for name, plan in plans.items()
            )
        )
