"""setup, up, down, status, logs, doctor, stores: the stack and what it offers."""

from __future__ import annotations

import json
import os
import time
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from windtunnel.cli import types
from windtunnel.cli.output import needs_clone, require_clone, say, table
from windtunnel.cli.types import option_type
from windtunnel.errors import SetupError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deploy.stack import Stack
    from windtunnel.workload.stores import StoreInfo

Processes = Annotated[
    int | None, typer.Option(min=1, max=92, help="Tornado processes in the fast pool [3]")
]
Slow = Annotated[
    int | None, typer.Option(min=1, max=7, help="Tornado processes in the slow pool [1]")
]
Services = Annotated[
    list[str] | None, typer.Option("--service", help="only this database; may be repeated")
]

_STATES = {
    "RUNNING": "up",
    "STARTING": "up",  # supervisord's word for a process younger than 5 s
    "STOPPING": "stopping",
    "BACKOFF": "restarting",
    "EXITED": "restarting",
    "FATAL": "failed",
    "STOPPED": "stopped",
}


@needs_clone
def setup() -> None:
    """Fetch database servers and nginx."""
    from deploy.lifecycle import set_up

    missing = set_up(say)
    for name, reason in missing.items():
        say(f"without {name}: {reason}")
    say("next: windtunnel up" if os.environ.get("VIRTUAL_ENV") else "next: make up, or make bench")


@needs_clone
def up(
    processes: Processes = None,
    slow: Slow = None,
    loop: Annotated[
        Literal["asyncio", "uvloop"] | None, typer.Option(help="the event loop [asyncio]")
    ] = None,
    connections: Annotated[
        int | None, typer.Option(min=1, max=1000, help="connections that each store keeps [10]")
    ] = None,
    service: Services = None,
) -> None:
    """Start databases, processes and nginx.

    Returns when all are ready. A database that is not available is left out.
    """
    from deploy import splits
    from deploy.lifecycle import ensure_up
    from deploy.programs import databases

    if unknown := sorted(set(service or ()) - set(databases())):
        raise UsageError(f"--service {unknown[0]}: choose from {', '.join(databases())}")
    splits.put_back(say)
    stack = ensure_up(service, processes, slow, loop, connections=connections, say=say)
    _show_stack(stack)


def _show_stack(stack: Stack) -> None:
    for name, reason in stack.state.missing.items():
        say(f"without {name}: {reason}")
    for line in stack.nginx.features.limitations:
        say(line)
    up_since = "is up" if stack.started else "was up already"
    servers = ", ".join(url.removeprefix("http://") for url in stack.state.processes)
    say(f"the stack {up_since}: nginx at {stack.state.nginx}, processes at {servers}")
    say("next: windtunnel run crud | locust -f locustfiles/crud.py")
    say("      windtunnel stores | status | logs | down")


@needs_clone
def down() -> None:
    """Stop all of it, in order.

    nginx first, then the processes, which finish what they accepted, then the databases.
    """
    from deploy import lifecycle

    say("all is stopped" if lifecycle.down(say=say) else "nothing was running")


@needs_clone
def status() -> None:
    """Show the programs of the stack.

    State, pid, port, age and memory of each program; exits 3 when the stack is not up.
    """
    from deploy import stack

    current = stack.running()
    if current is None:
        raise SetupError("the stack is not up: start it with `windtunnel up`")
    table(("program", "state", "pid", "port", "up for", "memory"), _rows(current))
    for name, reason in current.state.missing.items():
        say(f"without {name}: {reason}")
    if not current.is_healthy():
        raise SetupError("something is down: see `windtunnel logs NAME`, or down and up again")


def _rows(stack: Stack) -> list[tuple[object, ...]]:
    states = stack.supervisor.states()
    order = sorted(stack.state.programs.items(), key=lambda item: (item[1].kind, item[1].port))
    return [
        (
            name,
            _STATES.get(states[name].status, states[name].status) if name in states else "gone",
            states[name].pid if name in states else "",
            program.port,
            f"{time.time() - states[name].since:.0f} s" if name in states else "",
            _memory(states[name].pid) if name in states else "",
        )
        for name, program in order
    ]


def _memory(pid: int) -> str:
    import psutil

    try:
        return f"{psutil.Process(pid).memory_info().rss / 1e6:.0f} MB"
    except psutil.Error:
        return ""


@needs_clone
def logs(
    name: Annotated[str | None, typer.Argument(help="a program as in `windtunnel status`")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="continue as it grows")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="how many")] = 20,
) -> None:
    """Show the last lines of the logs."""
    from deploy.layout import Layout, default_workspace

    files = Layout(default_workspace()).log_files()
    if not files:
        raise SetupError("there are no logs yet: start the stack with `windtunnel up`")
    if name is not None and name not in files:
        raise UsageError(f"no log called {name}: choose from {', '.join(files)}")
    paths = [files[name]] if name else list(files.values())
    flags = ["-n", str(lines), *(["-F"] if follow else [])]
    os.execvp("tail", ["tail", *flags, *map(str, paths)])  # noqa: S606 - Ctrl-C ends tail itself


@needs_clone
def doctor() -> None:
    """Say what can run here, and how to fix the rest."""
    from deploy import doctor as facts

    table(("machine", ""), facts.machine())
    inventory = facts.inventory()
    say("")
    table(("program", "version", "from, or what is wrong"), facts.program_rows(inventory))
    say("")
    table(("engine", "can run", "driver, or what is wrong"), facts.engine_rows(inventory))


def stores(
    globs: Annotated[
        list[str] | None, typer.Argument(metavar="[GLOB]...", help="such as 'postgres-*/*/safe'")
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            parser=option_type(types.address),
            help="ask the server that runs there (or at unix:/PATH)",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="all facts, the ledger too")] = False,
) -> None:
    """List what the running server offers."""
    from windtunnel.workload.stores import discover

    _, stores = discover(host or _stack_url())
    matches = [store for store in stores if _matches(store.id, globs or ["*"])]
    if not matches:
        raise UsageError(f"no store matches {' '.join(globs or [])}: see `windtunnel stores`")
    if as_json:
        say(json.dumps([_as_dict(store) for store in matches], indent=2, default=sorted))
    else:
        _show(matches)


def _stack_url() -> str:
    require_clone("stores without --host")
    from deploy.layout import default_url
    from deploy.stack import running

    stack = running()
    return stack.state.processes[0] if stack else default_url()


def _matches(store: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(store, glob) for glob in globs)


def _as_dict(store: StoreInfo) -> dict[str, Any]:
    names = ("id", "status", "detail", "default", "operations", "ledger")
    return {name: getattr(store, name) for name in names}


def _show(stores: Sequence[StoreInfo]) -> None:
    rows = [
        (
            store.id,
            store.status,
            "*" if store.default else "",
            store.detail or store.ledger.get("promise") or "",
        )
        for store in stores
    ]
    table(("store", "status", "*", "promise, or what is wrong"), rows)
    ups = sum(store.status == "up" for store in stores)
    say(f"{ups} of {len(stores)} up; * is the durability that is compared by default")
