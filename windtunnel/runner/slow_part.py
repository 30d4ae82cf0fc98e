"""The servers of the slow part: Tornado in each mode and gunicorn, one process each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.errors import StackError
from deploy.gunicorn import gunicorns
from deploy.stack import Stack
from windtunnel.runner.cell_plan import Variant
from windtunnel.runner.variants import Variants, variant_server
from windtunnel.workload.stores import StoreInfo, discover

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
