"""The stack as the target of a run: what to load, and whose CPU time to count."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.plan import Offer
from deploy import stack
from deploy.lease import leased
from deploy.stack import Stack
from nginx.render import ACCESS_LOG


class StackTarget:
    """One process loaded direct, or several through nginx."""

    name = "direct"

    def __init__(self, running: Stack) -> None:
        self._stack = running
        self.log: Path | None = running.nginx.folder / ACCESS_LOG

    def url(self, processes: int) -> str:
        """Return the address of so many processes, with exactly these behind nginx if several."""
        if processes == 1:
            return self._stack.state.processes[0]
        self._stack.resize(fast=processes)
        return self._stack.state.nginx

    def groups(self, offer: Offer) -> Mapping[str, Sequence[int]]:
        """Return the pids of all servers, of the store's own database, and of nginx."""
        pids = self._stack.pids()
        return {
            "server": [pid for family in pids["server"].values() for pid in family],
            "database": pids["database"].get(offer.service or "", []),
            "nginx": [pid for family in pids["nginx"].values() for pid in family],
        }

    def processes(self) -> Sequence[str]:
        """Return each process's own address, those of the fast pool first."""
        return self._stack.state.processes


@contextmanager
def stacked(say: Callable[[str], None]) -> Iterator[StackTarget]:
    """Use the stack that is up, or start one and stop it in the end.

    A stack that was up has as many processes afterwards as before. Raises StackError.
    """
    running = stack.ensure_up(say=say)
    if running.started:
        with leased(running.layout):
            try:
                yield StackTarget(running)
            finally:
                stack.down(say=say)
        return
    fast = len(running.split.pools["fast"].ports)
    try:
        yield StackTarget(running)
    finally:
        running.resize(fast=fast)
