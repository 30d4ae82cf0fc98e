"""Whose CPU time belongs to a test: the processes of this machine that its requests come by.

Nothing tells their ids over HTTP, but for those of servers. So the kernel's table of connections is
asked: nginx is who listens where the load goes, and databases are whom the servers talk to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import psutil

from bench.measure import cpu

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

_PROXIES: Final = frozenset({"docker-proxy"})
"""Whoever listens for somebody else, whose CPU time stays unseen."""


def groups(servers: Collection[int], nginx: int | None) -> dict[str, list[int]]:
    """Return the root processes of server, nginx (which listens at that port) and database.

    A group of which nobody is seen is left out; but where servers talk to nobody at all there is no
    database, and none is what it is. It takes some 40 ms. Raises psutil.Error, OSError.
    """
    sockets: list[Any] = psutil.net_connections("tcp")
    listeners: dict[int, set[int]] = {}
    for socket in sockets:
        if socket.status == psutil.CONN_LISTEN and socket.pid:
            listeners.setdefault(socket.laddr.port, set()).add(socket.pid)
    known = cpu.processes()
    found = {"server": sorted(servers), "nginx": _roots(listeners.get(nginx or 0, ()), known)}
    asked = _asked(sockets, servers, listeners)
    databases = (_roots(listeners.get(port, ()), known) for port in asked)
    found["database"] = sorted({pid for roots in databases for pid in roots})
    return {n: pids for n, pids in found.items() if pids or (n == "database" and not asked)}


def _asked(
    sockets: Iterable[Any], servers: Collection[int], listeners: Mapping[int, Collection[int]]
) -> set[int]:
    """The ports that servers hold connections to; 0 stands for those of other machines."""
    return {
        socket.raddr.port if socket.raddr.ip in LOOPBACK else 0
        for socket in sockets
        if socket.pid in servers
        and socket.status == psutil.CONN_ESTABLISHED
        and socket.pid not in listeners.get(socket.laddr.port, ())
    }


def _roots(pids: Collection[int], known: dict[int, cpu.Kin]) -> list[int]:
    """Those whose parent is none of them: children keep a socket that their parent listens at."""
    roots = [pid for pid in pids if pid in known and known[pid].parent not in pids]
    return [pid for pid in roots if _name(pid) not in _PROXIES]


def _name(pid: int) -> str:
    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:
        return ""
