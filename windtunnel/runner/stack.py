"""The stack as the target of a run: what to load, and whose CPU time to count."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy import lifecycle, splits
from deploy.history import ChangeKind
from deploy.locks import LOCK_TIMEOUT, stack_lease, stack_lock
from deploy.stack import Stack
from deploy.trial import refuse_during_trial
from nginx.render import ACCESS_LOG
from windtunnel.workload.stores import StoreInfo


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
            "server": [pid for roots in pids["server"].values() for pid in roots],
            "database": pids["database"].get(offer.service or "", []),
            "nginx": [pid for roots in pids["nginx"].values() for pid in roots],
        }

    def processes(self) -> Sequence[str]:
        """Return each process's own address, those of the fast pool first."""
        return self.stack.state.processes


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
