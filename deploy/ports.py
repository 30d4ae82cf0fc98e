"""Are our ports free, and if not, who holds them?"""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

import psutil

from deploy.errors import PortTakenError
from deploy.services import PORTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from deploy.services import Instance, Place


def ports_of(place: Place, instances: Iterable[Instance]) -> dict[int, str]:
    """Every port that the instances take, with the program that takes it."""
    taken = {}
    for instance in instances:
        taken[instance.port] = instance.name
        for extra in PORTS:
            if extra.startswith(f"{instance.name}-"):  # such as elasticsearch-transport
                taken[place.port(extra)] = instance.name
    return taken


def require_free(ports: Mapping[int, str]) -> None:
    """Raise PortTakenError, which names each busy port of 127.0.0.1 and who holds it."""
    busy = [port for port in ports if not free(port)]
    if busy:
        told = "; ".join(f"port {port} ({ports[port]}) is taken by {holder(port)}" for port in busy)
        raise PortTakenError(f"{told}: stop it, or move every port with WINDTUNNEL_OFFSET=2000")


def free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """The program and pid that has a port, as far as this account may see it."""
    with contextlib.suppress(psutil.Error, OSError):
        links = [at for at in psutil.net_connections("tcp") if at.laddr and at.laddr.port == port]
        links.sort(key=lambda link: link.status != psutil.CONN_LISTEN)
        if links:
            return _named(links[0].pid)
    return "a program that this account cannot see"


def _named(pid: int | None) -> str:
    if pid is None:
        return "another account's program"
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return f"pid {pid}"
