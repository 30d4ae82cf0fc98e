"""gunicorn beside a stack: the slow part under other servers than Tornado's own, for a while."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy import ports
from deploy.errors import BusyError, NotReadyError
from deploy.layout import PROJECT
from deploy.locks import LOCK_TIMEOUT, stack_lock, try_lock
from deploy.processes import Options, addresses
from deploy.readiness import readyz, wait_ready
from deploy.services import Instance
from deploy.stack import every_child, family
from deploy.supervisor import GONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.layout import Layout
    from deploy.stack import Stack

CONF = PROJECT / "deploy" / "gunicorn.conf.py"

PORTS = {"sync": 10101, "gthread": 10102, "tornado": 10103}
"""Worker -> port, moved with the stack's others; behind those of the Tornado processes."""

TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Gunicorn:
    """One gunicorn that runs: its address, and the program that the stack's supervisor knows."""

    stack: Stack
    instance: Instance

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.instance.port}"

    def pids(self) -> list[int]:
        """gunicorn itself, which only looks after its workers, and these."""
        state = self.stack.supervisor.states()[self.instance.name]
        return list(family(state.pid, every_child()))


def gunicorn(layout: Layout, worker: str, options: Options) -> Instance:
    """One gunicorn of one process, with as many connections as a Tornado process has.

    A `sync` worker has one thread, and so one connection, as a blocking store has.
    """
    port = PORTS[worker] + layout.place.offset
    threads = 1 if worker == "sync" else options.connections
    given = {"--config": CONF, "--worker-class": worker, "--threads": threads}
    words = [word for pair in given.items() for word in map(str, pair)]
    return Instance(
        name=f"gunicorn-{worker}",
        service="gunicorn",
        port=port,
        command=(sys.executable, "-m", "gunicorn", *words, "--bind", f"127.0.0.1:{port}"),
        env=addresses(layout.place),
        user=None,
        stop_signal="TERM",
        cwd=PROJECT,
        ready=readyz(port),
    )


@contextlib.contextmanager
def gunicorns(stack: Stack) -> Iterator[dict[str, Gunicorn]]:
    """Run one gunicorn for each kind of worker while the block runs, by the worker's name.

    Raises PortTakenError, NotReadyError, and BusyError if another command has them.
    """
    options = Options(**stack.state.options)
    instances = {name: gunicorn(stack.layout, name, options) for name in PORTS}
    with _ours(stack.layout):
        try:
            _start(stack, list(instances.values()))
            yield {name: Gunicorn(stack, one) for name, one in instances.items()}
        finally:
            _stop(stack)


def _start(stack: Stack, instances: list[Instance]) -> None:
    with stack_lock(stack.layout):
        _remove(stack)  # what a killed command left
        ports.require_free(ports.ports_of(stack.layout.place, instances))
        stack.supervisor.add(instances)
    if late := wait_ready(stack.supervisor, instances, TIMEOUT):
        raise NotReadyError("; ".join(f"{name} {why}" for name, why in late.items()))


def _stop(stack: Stack) -> None:
    with stack_lock(stack.layout, LOCK_TIMEOUT), contextlib.suppress(*GONE):
        _remove(stack)


def _remove(stack: Stack) -> None:
    known = stack.supervisor.states()
    stack.supervisor.remove(name for name in map("gunicorn-{}".format, PORTS) if name in known)


@contextlib.contextmanager
def _ours(layout: Layout) -> Iterator[None]:
    """One command at a time has them; a killed one has them no more."""
    with (layout.root / "gunicorn.lock").open("w") as file:
        if not try_lock(file):
            raise BusyError("another command measures gunicorn on this stack: wait for it")
        yield
