"""The stack as the target of a run: what to load, and whose CPU time to count."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy import lifecycle, splits
from deploy.errors import StackError
from deploy.gunicorn import gunicorns
from deploy.history import ChangeKind
from deploy.locks import LOCK_TIMEOUT, stack_lease, stack_lock
from deploy.stack import Stack
from deploy.trial import refuse_during_trial
from nginx.render import ACCESS_LOG
from windtunnel.runner.cell_plan import Variant
from windtunnel.runner.targets import Variants, variant_server
from windtunnel.workload.stores import StoreInfo, discover


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


START_TIMEOUT_S: Final = 60.0
"""For the first list of a server's stores, on a busy machine."""


class DirectTarget:
    """One program of the stack, loaded directly at its own address."""

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
def slow_part(running: Stack) -> Iterator[Variants]:
    """The slow pool's process in each mode, and gunicorn in its place: one process each.

    Raises ServerDownError, and StackError, also where the split has no pool `slow`.
    """
    ports = running.state.ports("slow")
    if not ports:
        raise StackError("the active split has no pool slow: windtunnel split reset")
    with gunicorns(running) as launchers:
        port = ports[0]

        def pids() -> list[int]:
            return running.pids()["server"][f"server-{port}"]

        tornado = DirectTarget(running, f"http://127.0.0.1:{port}", pids)
        servers = {f"tornado-{mode}": (tornado, mode) for mode in ("blocking", "threads", "async")}
        servers |= {
            f"gunicorn-{worker}": (DirectTarget(running, launcher.url, launcher.pids), "blocking")
            for worker, launcher in launchers.items()
        }
        stores = {target.address: _stores(target) for target, _ in servers.values()}
        yield Variants(
            tuple(
                variant_server(target, stores[target.address], Variant(name, frozenset({mode})))
                for name, (target, mode) in servers.items()
            )
        )


def _stores(target: DirectTarget) -> list[StoreInfo]:
    """Return the stores of a server that has just started, and so imports every driver first."""
    return discover(target.address, START_TIMEOUT_S)[1]
