"""The stack as the target of a run: what to load, and whose CPU time to count."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy import lifecycle, splits
from deploy.errors import StackError
from deploy.gunicorn import gunicorns
from deploy.history import ChangeKind, SplitChange
from deploy.locks import LOCK_TIMEOUT, stack_lease, stack_lock
from deploy.stack import Stack
from deploy.supervisor import GONE
from deploy.trial import Trial, refuse_during_trial
from nginx.apply import ApplyError
from nginx.plan import SplitPlan
from nginx.render import ACCESS_LOG
from windtunnel.runner.plan import Variant
from windtunnel.runner.variants import Variants, variant_server
from windtunnel.workload.stores import StoreInfo, discover

FIRST_ANSWER = 60.0
"""Seconds that a server gets to list its stores for the first time, on a busy machine."""


class StackTarget:
    """One process loaded direct, or several through nginx."""

    name = "direct"

    def __init__(self, running: Stack) -> None:
        self.stack = running
        self.log: Path | None = running.nginx.folder / ACCESS_LOG

    def url(self, processes: int) -> str:
        """Return the address of so many processes, with exactly these behind nginx if several."""
        if processes == 1:
            return self.stack.state.processes[0]
        _resize(self.stack, processes)
        return self.stack.state.nginx

    def groups(self, offer: StoreInfo) -> Mapping[str, Sequence[int]]:
        """Return the main pids of all servers, of the store's own database, and of nginx."""
        pids = self.stack.roots()
        return {
            "server": [pid for some in pids["server"].values() for pid in some],
            "database": pids["database"].get(offer.service or "", []),
            "nginx": [pid for some in pids["nginx"].values() for pid in some],
        }

    def processes(self) -> Sequence[str]:
        """Return each process's own address, those of the fast pool first."""
        return self.stack.state.processes


class DirectTarget:
    """One program of the stack, loaded straight at its own address."""

    name = "direct"
    log: Path | None = None

    def __init__(self, running: Stack, address: str, pids: Callable[[], list[int]]) -> None:
        self.stack = running
        self.address = address
        self.pids = pids

    def url(self, processes: int) -> str:  # noqa: ARG002
        """Return the address."""
        return self.address

    def groups(self, offer: StoreInfo) -> Mapping[str, Sequence[int]]:
        """Return the pids of the program, and of the store's own database."""
        databases = self.stack.roots()["database"]
        return {"server": self.pids(), "database": databases.get(offer.service or "", [])}

    def processes(self) -> Sequence[str]:
        """Return the address."""
        return [self.address]


@contextmanager
def stacked(say: Callable[[str], None]) -> Iterator[StackTarget]:
    """Use the stack that is up, or start one and stop it in the end.

    A stack that was up has as many processes afterwards as before. Raises StackError, also while
    another command tries splits.
    """
    splits.put_back(say)
    running = lifecycle.ensure_up(say=say)
    with stack_lock(running.layout, LOCK_TIMEOUT):
        refuse_during_trial(running.layout)
    if running.started:
        with stack_lease(running.layout):
            try:
                yield StackTarget(running)
            finally:
                lifecycle.down(say=say, lock_timeout=LOCK_TIMEOUT)
        return
    fast = len(running.state.ports("fast"))
    try:
        yield StackTarget(running)
    finally:
        _resize(running, fast)


def _resize(running: Stack, fast: int) -> None:
    """As a trial, which `split undo` passes over."""
    splits.resize(running, fast=fast, by="run", kind=ChangeKind.TRIAL)


@contextmanager
def slow_part(running: Stack) -> Iterator[Variants]:
    """The slow pool's process in each mode, and gunicorn in its place: one process each.

    Raises ServerDownError, and StackError, also where the split has no pool `slow`.
    """
    ports = running.state.ports("slow")
    if not ports:
        raise StackError("the active split has no pool slow: windtunnel split reset")
    with gunicorns(running) as found:
        port = ports[0]

        def pids() -> list[int]:
            return running.pids()["server"][f"server-{port}"]

        tornado = DirectTarget(running, f"http://127.0.0.1:{port}", pids)
        servers = {f"tornado-{mode}": (tornado, mode) for mode in ("blocking", "threads", "async")}
        servers |= {
            f"gunicorn-{worker}": (DirectTarget(running, one.url, one.pids), "blocking")
            for worker, one in found.items()
        }
        found_at = {one.address: _stores(one) for one, _ in servers.values()}
        yield Variants(
            tuple(
                variant_server(target, found_at[target.address], Variant(name, frozenset({mode})))
                for name, (target, mode) in servers.items()
            )
        )


def _stores(target: DirectTarget) -> list[StoreInfo]:
    """Ask a server that has just begun, and so imports every driver first."""
    return discover(target.address, FIRST_ANSWER)[1]


# The split of a stack while others are tried: activated, and back whatever happens.


ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class NotRestoredError(StackError):
    """A split on trial is still active."""


def bring(stack: Stack, plan: SplitPlan, by: str) -> SplitChange | None:
    """Activate a split and return the change; None if it was active already.

    Returns when nothing else serves any more; waits for another command that holds the stack.
    Raises what `deploy.splits.apply` raises.
    """
    if splits.active_plan(stack) == plan:
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
            "a split on trial is still active; back to the former one: windtunnel split undo, "
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
