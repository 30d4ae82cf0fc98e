"""The real database servers of the tests: started here, unless the environment has them."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.services.base import PORTS, Instance, Workspace
from deploy.services.child_processes import start, stop, wait_ready
from deploy.services.registry import obtain_all, prepare_all, services
from server.engines import discover
from server.engines.base import Service
from server.settings import Settings, addresses, read
from server.stores import Store, Stores

RUN = Path(__file__).parent.parent / ".run"
ENGINES = discover(read([]).engines)  # and those of WINDTUNNEL_ENGINES


@dataclass(frozen=True)
class Databases:
    """Where each service is, as the environment's variables would say, and which are missing."""

    addresses: Mapping[str, str]
    missing: Mapping[str, str] = field(default_factory=dict)

    def settings(self, deadline: float = 10.0, connections: int = 10) -> Settings:
        """Return settings with these addresses; slow machines get a long deadline."""
        return Settings(addresses=self.addresses, deadline=deadline, connections=connections)

    def why_not(self, store: Store) -> str | None:
        """Return why `store` cannot be had here, or None."""
        service = store.engine.service
        gone = service is not None and self.missing.get(service.name)
        return store.engine.why_missing(store.mode) or gone or None


def store(id: str, settings: Settings) -> Store:
    """Return one store of ours."""
    return Stores(ENGINES.values(), settings)[id]


@contextmanager
def held_port() -> Iterator[int]:
    """A port for a server of ours that comes, goes and comes again, until the block ends.

    It is bound, so that the kernel gives it to nobody else meanwhile, and refuses who connects. A
    server that sets SO_REUSEADDR, as they all do, can listen there beside us.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def engine_services() -> dict[str, Service]:
    """Return the services that engines use, by name."""
    used = (engine.service for engine in ENGINES.values())
    return {service.name: service for service in used if service is not None}


@contextmanager
def workspace(environ: Mapping[str, str] | None = None) -> Iterator[Workspace]:
    """A workspace with data folders of its own, on free ports; programs are fetched once for all.

    `environ` without addresses, as it is by default, makes every server our own.
    """
    folder = Path(tempfile.mkdtemp(prefix="windtunnel-tests-"))
    folder.chmod(0o755)  # servers that root starts run as nobody
    with ExitStack() as held:
        held.callback(shutil.rmtree, folder, ignore_errors=True)
        ports = {name: held.enter_context(held_port()) for name in PORTS}
        path = {"PATH": os.environ.get("PATH", "")} if environ is None else environ
        yield Workspace(folder, ports=ports, programs_folder=Workspace(RUN).programs, environ=path)


def prepared(where: Workspace, names: Sequence[str]) -> tuple[list[Instance], dict[str, str]]:
    """Return the instances of the named services, and why others cannot be had."""
    known = services()
    missing = dict.fromkeys(names, "no service of that name in deploy/services")
    programs, not_got = obtain_all(where, [name for name in names if name in known], print)
    instances, not_made = prepare_all(where, programs)
    reasons = {name: str(reason) for name, reason in (not_got | not_made).items()}
    return instances, {n: r for n, r in missing.items() if n not in known} | reasons


def addresses_of(instances: Sequence[Instance]) -> dict[str, str]:
    """Return SERVICE_DURABILITY -> URL for instances that listen on other ports than ours."""
    found = {}
    for instance in instances:
        service, usual = engine_services()[instance.service], f":{PORTS[instance.name]}"
        for engine in ENGINES.values():
            for durability in engine.durabilities if engine.service is service else ():
                url = service.default(durability)
                if usual in url:
                    key = f"{service.name}_{durability}".upper()
                    found[key] = url.replace(usual, f":{instance.port}")
    return found


@contextmanager
def running(names: Sequence[str]) -> Iterator[Databases]:
    """The named services, ready, until the block ends; what the environment names is left alone."""
    given = addresses(os.environ)
    with workspace(os.environ) as where, ExitStack() as stack:
        own = [name for name in names if name != "sqlite"]
        instances, missing = prepared(where, own)
        started = []
        for instance in instances:
            process = start(instance, where.log)
            stack.callback(stop, instance, process)
            started.append((instance, process))
        for instance, process in started:
            try:
                wait_ready(instance, process)
            except (TimeoutError, ChildProcessError) as error:
                missing[instance.service] = str(error)
        ours = {"SQLITE": str(where.data / "sqlite"), **addresses_of(instances)}
        yield Databases({**ours, **given}, missing)
