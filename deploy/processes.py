"""The Tornado processes and nginx as instances for the supervisor."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from deploy.errors import NotReadyError
from deploy.layout import PROJECT
from deploy.readiness import readyz
from deploy.services import PORTS, Instance, Missing, Place, Program, services
from nginx.apply import Nginx
from nginx.render import features

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.layout import Layout


FRONT = PROJECT / "deploy" / "front.py"


@dataclass(frozen=True, slots=True)
class Options:
    """What every Tornado process of a stack is started with."""

    loop: str = "asyncio"
    connections: int = 10


def server(layout: Layout, pool: str, port: int, options: Options) -> Instance:
    """One Tornado process; its account is ours."""
    settings = {"--port": port, "--pool": pool, "--loop": options.loop}
    settings["--connections"] = options.connections
    words = [word for pair in settings.items() for word in map(str, pair)]
    return Instance(
        name=f"server-{port}",
        service=pool,
        port=port,
        command=(sys.executable, "-m", "server", *words),
        env=addresses(layout.place),
        user=None,
        stop_signal="TERM",
        cwd=PROJECT,
        ready=readyz(port),
    )


def addresses(place: Place) -> dict[str, str]:
    """The variables that tell a server where this stack's databases and files are.

    Only what differs from the server's own defaults; what the environment gives comes first.
    """
    told = {"WINDTUNNEL_SQLITE_URL": str(place.root.absolute() / "data" / "sqlite")}
    moved = {name for name in PORTS if place.port(name) != PORTS[name]}
    if moved:
        told |= _moved(place, moved)
    return {name: url for name, url in told.items() if not place.environ.get(name)}


def _moved(place: Place, moved: set[str]) -> dict[str, str]:
    from server.engines import discover

    found: dict[str, str] = {}
    known = {e.service.name: e.service for e in discover().values() if e.service}
    for service in known.values():
        if place.environ.get(_variable(service.name)):  # one address for all its durabilities
            continue
        for durability, url in service.addresses.items():
            name = f"{service.name}-{durability}" if durability else service.name
            if name in moved:
                found[_variable(name)] = _with_port(url, place.port(name))
    return found


def _variable(name: str) -> str:
    return f"WINDTUNNEL_{name.replace('-', '_').upper()}_URL"


def _with_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    return url.replace(f":{parts.port}", f":{port}", 1)


def databases() -> list[str]:
    """The services that hold data; nginx only routes."""
    return [name for name in services() if name != "nginx"]


def checked_nginx(programs: Mapping[str, Program], missing: Mapping[str, Missing]) -> str:
    """The file of an nginx that runs here; raises NotReadyError, as nothing goes without it."""
    if "nginx" in missing:
        raise NotReadyError(f"nginx cannot be had: {missing['nginx']}")
    try:
        binary = str(programs["nginx"].file)
        features(binary)
    except (Missing, OSError, ValueError, subprocess.SubprocessError) as error:
        raise NotReadyError(f"nginx does not run here: {error}") from error
    return binary


def nginx_instance(nginx: Nginx, generation: str) -> Instance:
    """nginx serving the split that was written as `generation`."""
    return Instance(
        name="nginx",
        service="nginx",
        port=nginx.port,
        command=(sys.executable, "-P", str(FRONT), str(nginx.folder), *nginx.command),
        env={},
        user=None,
        stop_signal="QUIT",
        cwd=nginx.folder,
        ready=lambda: nginx.generation() == generation,
    )
