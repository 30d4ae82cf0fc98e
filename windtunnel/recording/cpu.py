"""CPU time of groups of processes, their children included, to the nanosecond. Linux.

The kernel's clock of a process (clock_getcpuclockid(3)) is exact and costs a microsecond, while
`/proc/<pid>/stat` counts in hundredths of a second: too coarse for cells of a second or two. Only
the time of children that ended is taken from there, as nothing else has it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

_TICK_NS: Final = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Kin:
    """A process's parent, and the CPU time of its children that ended and were waited for."""

    parent: int
    reaped_ns: int


def processes() -> dict[int, Kin]:
    """Every process of this machine."""
    found = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208
        if entry.isdigit() and (kin := _kin(entry)):
            found[int(entry)] = kin
    return found


def _kin(pid: str) -> Kin | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:  # it ended meanwhile
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    return Kin(int(fields[1]), (int(fields[13]) + int(fields[14])) * _TICK_NS)


def family(roots: Collection[int], known: Mapping[int, Kin]) -> set[int]:
    """Those of `known` that are among `roots` or descend from them."""
    children: dict[int, list[int]] = {}
    for pid, kin in known.items():
        children.setdefault(kin.parent, []).append(pid)
    return set(_descend([pid for pid in roots if pid in known], children))


def _descend(pids: list[int], children: Mapping[int, list[int]]) -> Iterator[int]:
    while pids:
        pid = pids.pop()
        yield pid
        pids.extend(children.get(pid, ()))


def own_ns(pid: int) -> int:
    """CPU time of a process, its ended threads included; 0 if it ended."""
    try:
        return time.clock_gettime_ns(((~pid) << 3) | 2)  # CPUCLOCK_SCHED of a foreign process
    except OSError:
        return 0


Groups = Mapping[str, Collection[int]]
"""Root processes by the name of their group."""


def read(groups: Groups) -> dict[str, int | None]:
    """CPU nanoseconds of each group since its processes began; None where a root is missing."""
    known = processes()
    return {
        name: None
        if not set(roots) <= known.keys()
        else sum(own_ns(pid) + known[pid].reaped_ns for pid in family(roots, known))
        for name, roots in groups.items()
    }


def seconds(before: Mapping[str, int | None], after: Mapping[str, int | None]) -> dict[str, float]:
    """CPU seconds between two readings, without groups that one of them could not see."""
    return {
        name: round((later - earlier) / 1e9, 6)
        for name, earlier in before.items()
        if earlier is not None and (later := after[name]) is not None
    }


# CPU time of groups of processes that come and go.


class Spending:
    """Counts each process from when it is first looked at; what one spent before it ended stays."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, int], int] = {}
        self._last: dict[tuple[str, int], int] = {}
        self._names: set[str] = set()

    def look(self, groups: Mapping[str, Collection[int]]) -> None:
        """Read the clocks of these root processes and of all that descend from them."""
        self._names |= set(groups)
        roots = {f"{name} {pid}": [pid] for name, pids in groups.items() for pid in pids}
        clocks = read(roots)
        for name, pids in groups.items():
            for pid in pids:
                now = clocks[f"{name} {pid}"]
                if now is not None:
                    self._first.setdefault((name, pid), now)
                    self._last[name, pid] = max(now, self._last.get((name, pid), 0))

    def seconds(self) -> dict[str, float]:
        """CPU seconds by group, of those that were ever looked at."""
        total = dict.fromkeys(sorted(self._names), 0)
        for (name, pid), last in list(self._last.items()):  # a thread may be looking
            total[name] += last - self._first[name, pid]
        return {name: round(spent / 1e9, 6) for name, spent in total.items()}


# Whose CPU time belongs to a test: the processes of this machine that its requests come by.


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
    known = processes()
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


def _roots(pids: Collection[int], known: dict[int, Kin]) -> list[int]:
    """Those whose parent is none of them: children keep a socket that their parent listens at."""
    roots = [pid for pid in pids if pid in known and known[pid].parent not in pids]
    return [pid for pid in roots if _name(pid) not in _PROXIES]


def _name(pid: int) -> str:
    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:
        return ""
