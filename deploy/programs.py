"""The programs of a stack: their kinds, and the instances that the supervisor runs."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deploy.errors import NotReadyError, StackError
from deploy.layout import PROJECT
from deploy.services import PORTS, Instance, Program, UnavailableError, Workspace, services
from deploy.services.probe import http_ok
from nginx import launcher
from nginx.apply import Nginx
from nginx.features import features

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.layout import Layout


class ProgramKind(StrEnum):
    """In the order in which they are stopped: no request is accepted that cannot be answered."""

    NGINX = "nginx"
    SERVER = "server"
    DATABASE = "database"

    @property
    def stop_timeout(self) -> int:
        """Seconds from the stop signal to SIGKILL."""
        return {"nginx": 20, "server": 60, "database": 40}[self]


def kind_of(name: str) -> ProgramKind:
    """Return the kind of the program of this name."""
    if name == "nginx":
        return ProgramKind.NGINX
    is_server = name.startswith(("server-", "gunicorn-"))
    return ProgramKind.SERVER if is_server else ProgramKind.DATABASE


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What every Tornado process of a stack is started with; `connections` are per store."""

    loop: str = "asyncio"
    connections: int = 10


def server_instance(layout: Layout, pool: str, port: int, options: ServerOptions) -> Instance:
    """Return one Tornado process; it runs as the account of the caller."""
    settings = {"--port": port, "--pool": pool, "--loop": options.loop}
    settings["--connections"] = options.connections
    arguments = [argument for pair in settings.items() for argument in map(str, pair)]
    return Instance(
        name=f"server-{port}",
        service=pool,
        port=port,
        command=(sys.executable, "-m", "server", *arguments),
        env=database_urls(layout.workspace),
        user=None,
        stop_signal="TERM",
        cwd=PROJECT,
        ready=partial(http_ok, port, "/readyz"),
    )


def database_urls(workspace: Workspace) -> dict[str, str]:
    """Return the WINDTUNNEL_*_URL variables that tell a server where this stack's databases are.

    Only what differs from the server's own defaults; what the environment gives comes first.
    """
    urls = {"WINDTUNNEL_SQLITE_URL": str(workspace.root.absolute() / "data" / "sqlite")}
    moved = {name for name in PORTS if workspace.port(name) != PORTS[name]}
    if moved:
        urls |= _moved_urls(workspace, moved)
    return {name: url for name, url in urls.items() if not _is_given(workspace, name)}


def _is_given(workspace: Workspace, name: str) -> bool:
    return bool(workspace.environ.get(name, "").strip())


def refuse_wrong_addresses(environ: Mapping[str, str]) -> None:
    """Raise StackError for an address in the environment that the servers would refuse.

    Of this project's engines: a person's own engine files run in the servers, never in `up`.
    """
    from server.engines import AddressError, check_addresses, check_known_addresses, discover
    from server.settings import read

    try:
        settings = read([], environ)
        check = check_known_addresses if settings.engines else check_addresses
        check(discover().values(), settings)
    except AddressError as error:
        raise StackError(str(error)) from None


def _moved_urls(workspace: Workspace, instances: set[str]) -> dict[str, str]:
    from server.engines import discover  # imports every driver

    urls: dict[str, str] = {}
    for service in {e.service.name: e.service for e in discover().values() if e.service}.values():
        if _is_given(workspace, _url_variable(service.name)):  # one URL for all its durabilities
            continue
        for durability, url in service.addresses.items():
            name = f"{service.name}-{durability}" if durability else service.name
            if name in instances:
                urls[_url_variable(name)] = _with_port(url, workspace.port(name))
    return urls


def _url_variable(name: str) -> str:
    return f"WINDTUNNEL_{name.replace('-', '_').upper()}_URL"


def _with_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    return url.replace(f":{parts.port}", f":{port}", 1)


def databases() -> list[str]:
    """Return the names of the services that hold data; nginx only routes."""
    return [name for name in services() if name != "nginx"]


def nginx_binary(programs: Mapping[str, Program], missing: Mapping[str, UnavailableError]) -> str:
    """Return the file of an nginx that runs here; raises NotReadyError: there is no stack without.

    Arguments as `obtain_all` returns them.
    """
    if "nginx" in missing:
        raise NotReadyError(f"nginx is not available: {missing['nginx']}")
    try:
        binary = str(programs["nginx"].file)
        features(binary)
    except (UnavailableError, OSError, ValueError, subprocess.SubprocessError) as error:
        raise NotReadyError(f"nginx does not run here: {error}") from error
    return binary


def nginx_instance(nginx: Nginx, generation: str) -> Instance:
    """Return nginx serving the split that was written as `generation`."""
    return Instance(
        name="nginx",
        service="nginx",
        port=nginx.port,
        command=(sys.executable, "-P", launcher.__file__, str(nginx.folder), *nginx.command),
        env={},
        user=None,
        stop_signal="QUIT",
        cwd=nginx.folder,
        ready=lambda: nginx.generation() == generation,
    )
