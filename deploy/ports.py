"""The ports of a stack: which ones its processes take, and who holds those that are taken."""

from __future__ import annotations

import contextlib
import socket
from itertools import islice
from typing import TYPE_CHECKING

import psutil

from deploy.errors import PortTakenError, StackError
from deploy.services import PORTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from deploy.services import Instance, Workspace

NGINX_PORT = 10000
FIRST_PORT = 10001
HIGHEST_OFFSET = 65535 - max(PORTS.values())

_POOL_PORTS = {
    "fast": (FIRST_PORT, 10002, 10003, *range(10011, 10100)),
    "slow": (*range(10004, 10011), *range(10051, 10100)),
}
_OTHER_PORTS = (*range(10051, 10100), *range(10011, 10051))


def assign_ports(
    sizes: Mapping[str, int], held: Mapping[str, Sequence[int]], offset: int
) -> dict[str, tuple[int, ...]]:
    """Return ports for so many processes in each pool; a pool keeps those that it holds already.

    `offset` moves every port. Raises StackError when there are too few.
    """
    taken = {port for ports in held.values() for port in ports}
    assigned: dict[str, tuple[int, ...]] = {}
    for pool, size in sizes.items():
        kept = sorted(held.get(pool, ()))[:size]
        candidates = (port + offset for port in _POOL_PORTS.get(pool, _OTHER_PORTS))
        added = list(islice((p for p in candidates if p not in taken), size - len(kept)))
        if len(kept) + len(added) < size:
            raise StackError(f"there is no port for {size} processes in the {pool} pool")
        taken |= {*added}
        assigned[pool] = tuple(sorted([*kept, *added]))
    return assigned


def ports_of(workspace: Workspace, instances: Iterable[Instance]) -> dict[int, str]:
    """Return every port that the instances take, with the name of the instance."""
    names = {}
    for instance in instances:
        names[instance.port] = instance.name
        for extra in PORTS:
            if extra.startswith(f"{instance.name}-"):  # such as elasticsearch-transport
                names[workspace.port(extra)] = instance.name
    return names


def require_free(names: Mapping[int, str]) -> None:
    """Raise PortTakenError, which names each port of 127.0.0.1 that is in use, and its holder."""
    if taken := [port for port in names if not is_free(port)]:
        holders = [f"port {port} ({names[port]}) is taken by {holder(port)}" for port in taken]
        raise PortTakenError(
            f"{'; '.join(holders)}: stop it, or move every port with WINDTUNNEL_OFFSET=2000"
        )


def is_free(port: int) -> bool:
    """Return whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """Return the program and pid that has a port, as far as this account may see it."""
    with contextlib.suppress(psutil.Error, OSError):
        links = [c for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == port]
        links.sort(key=lambda link: link.status != psutil.CONN_LISTEN)
        if links:
            return _describe(links[0].pid)
    return "a program that this account cannot see"


def _describe(pid: int | None) -> str:
    if pid is None:
        return "another account's program"
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return f"pid {pid}"
