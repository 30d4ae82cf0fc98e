"""gunicorn beside a stack: the slow part under other servers than Tornado's own, for a while."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from deploy.errors import BusyError, NotReadyError
from deploy.layout import PROJECT
from deploy.locks import LOCK_TIMEOUT, stack_lock, try_lock
from deploy.ports import ports_of, require_free
from deploy.programs import ServerOptions, database_urls
from deploy.readiness import wait_ready
from deploy.services import Instance
from deploy.services.probe import http_ok
from deploy.stack import children_by_parent, descendants
from deploy.supervisor import GONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.layout import Layout
    from deploy.stack import Stack

CONF = PROJECT / "deploy" / "gunicorn.conf.py"

PORTS = {"sync": 10101, "gthread": 10102, "tornado": 10103}
"""Worker -> port, moved with the stack's others; behind those of the Tornado processes."""

READY_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Gunicorn:
    """One gunicorn that runs under the stack's supervisor."""

    stack: Stack
    instance: Instance

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.instance.port}"

    def pids(self) -> list[int]:
        """Return the pids of its master, which serves no requests, and of its workers."""
        status = self.stack.supervisor.states()[self.instance.name]
        return list(descendants(status.pid, children_by_parent()))


def gunicorn_instance(layout: Layout, worker: str, options: ServerOptions) -> Instance:
    """Return one gunicorn of one process, with as many connections as a Tornado process has.

    A `sync` worker has one thread, and so one connection, as a blocking store has.
    """
    port = PORTS[worker] + layout.workspace.offset
    threads = 1 if worker == "sync" else options.connections
    settings = {"--config": CONF, "--worker-class": worker, "--threads": threads}
    arguments = [argument for pair in settings.items() for argument in map(str, pair)]
    return Instance(
        name=f"gunicorn-{worker}",
        service="gunicorn",
        port=port,
        command=(sys.executable, "-m", "gunicorn", *arguments, "--bind", f"127.0.0.1:{port}"),
        env=database_urls(layout.workspace),
        user=None,
        stop_signal="TERM",
        cwd=PROJECT,
        ready=partial(http_ok, port, "/readyz"),
    )


@contextlib.contextmanager
def gunicorns(stack: Stack) -> Iterator[dict[str, Gunicorn]]:
    """Run one gunicorn for each kind of worker while the block runs, by the worker's name.

    Raises PortTakenError, NotReadyError, and BusyError if another command has them.
    """
    options = ServerOptions(**stack.state.options)
    instances = {worker: gunicorn_instance(stack.layout, worker, options) for worker in PORTS}
    with _gunicorn_lock(stack.layout):
        try:
            _start(stack, list(instances.values()))
            yield {worker: Gunicorn(stack, instance) for worker, instance in instances.items()}
        finally:
            with stack_lock(stack.layout, LOCK_TIMEOUT), contextlib.suppress(*GONE):
                _remove(stack)


def _start(stack: Stack, instances: list[Instance]) -> None:
    with stack_lock(stack.layout):
        _remove(stack)  # what a killed command left
        require_free(ports_of(stack.layout.workspace, instances))
        stack.supervisor.add(instances)
    if reasons := wait_ready(stack.supervisor, instances, READY_TIMEOUT):
        raise NotReadyError("; ".join(f"{name} {reason}" for name, reason in reasons.items()))


def _remove(stack: Stack) -> None:
    names = [f"gunicorn-{worker}" for worker in PORTS]
    present = stack.supervisor.states()
    stack.supervisor.remove(name for name in names if name in present)


@contextlib.contextmanager
def _gunicorn_lock(layout: Layout) -> Iterator[None]:
    """Let one command at a time run gunicorn; the lock of a killed one is released."""
    with (layout.root / "gunicorn.lock").open("w") as file:
        if not try_lock(file):
            raise BusyError("another command measures gunicorn on this stack: wait for it")
        yield
