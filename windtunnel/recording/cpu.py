"""CPU time of groups of processes, their descendants included, to the nanosecond. Linux.

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

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

_TICK_NS: Final = 1_000_000_000 // os.sysconf("SC_CLK_TCK")

_PROXIES: Final = frozenset({"docker-proxy"})
"""Programs that listen for a process whose CPU time is not visible."""

Groups = Mapping[str, Collection[int]]
"""The root processes of each group, by its name: a group has all that descend from them."""


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """A process's parent, and the CPU time of its children that ended and were waited for."""

    parent: int
    reaped_ns: int
    is_zombie: bool = False


def processes() -> dict[int, ProcessStat]:
    """Return every process of this machine, by its id."""
    pids = (entry for entry in os.listdir("/proc") if entry.isdigit())  # noqa: PTH208
    return {int(pid): stat for pid in pids if (stat := _stat(pid))}


def _stat(pid: str) -> ProcessStat | None:
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:  # it ended meanwhile
        return None
    fields = line[line.rindex(b")") + 2 :].split()
    reaped_ns = (int(fields[13]) + int(fields[14])) * _TICK_NS
    return ProcessStat(int(fields[1]), reaped_ns, fields[0] == b"Z")


def family(roots: Collection[int], stats: Mapping[int, ProcessStat]) -> set[int]:
    """Return the processes of `stats` that are among `roots` or descend from them."""
    children: dict[int, list[int]] = {}
    for pid, stat in stats.items():
        children.setdefault(stat.parent, []).append(pid)
    return set(_descend([pid for pid in roots if pid in stats], children))


def _descend(pids: list[int], children: Mapping[int, list[int]]) -> Iterator[int]:
    while pids:
        pid = pids.pop()
        yield pid
        pids.extend(children.get(pid, ()))


def cpu_ns(pid: int) -> int:
    """Return the CPU time of a process, its ended threads included; 0 if it ended."""
    try:
        return time.clock_gettime_ns(((~pid) << 3) | 2)  # CPUCLOCK_SCHED of a foreign process
    except OSError:
        return 0


def read(groups: Groups) -> dict[str, int | None]:
    """Return the CPU nanoseconds of each group so far; None where a root process has ended."""
    stats = processes()
    return {
        name: None
        if not all(pid in stats and not stats[pid].is_zombie for pid in roots)
        else sum(cpu_ns(pid) + stats[pid].reaped_ns for pid in family(roots, stats))
        for name, roots in groups.items()
    }


def seconds(before: Mapping[str, int | None], after: Mapping[str, int | None]) -> dict[str, float]:
    """Return the CPU seconds between two readings, without groups that either could not read."""
    return {
        name: round((later - earlier) / 1e9, 6)
        for name, earlier in before.items()
        if earlier is not None and (later := after[name]) is not None
    }


class CpuMeter:
    """CPU time of groups whose processes come and go.

    A process counts from its first update on, and what it spent stays when it ends.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[str, int], int] = {}
        self._last: dict[tuple[str, int], int] = {}
        self._names: set[str] = set()

    def update(self, groups: Groups) -> None:
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
        """Return the CPU seconds of each group so far."""
        total = dict.fromkeys(sorted(self._names), 0)
        for (name, pid), last in list(self._last.items()):  # a thread may be updating
            total[name] += last - self._first[name, pid]
        return {name: round(spent / 1e9, 6) for name, spent in total.items()}


def groups(servers: Collection[int], nginx: int | None) -> dict[str, list[int]]:
    """Return the root processes of server, nginx (which listens at that port) and database.

    A group without a visible process is left out; but where the servers hold no connection at all
    there is no database, and its group is empty. It takes some 40 ms. Raises psutil.Error, OSError.
    """
    sockets: list[Any] = psutil.net_connections("tcp")
    listeners: dict[int, set[int]] = {}
    for socket in sockets:
        if socket.status == psutil.CONN_LISTEN and socket.pid:
            listeners.setdefault(socket.laddr.port, set()).add(socket.pid)
    stats = processes()
    groups = {"server": sorted(servers), "nginx": _roots(listeners.get(nginx or 0, ()), stats)}
    ports = _remote_ports(sockets, servers, listeners)
    databases = (_roots(listeners.get(port, ()), stats) for port in ports)
    groups["database"] = sorted({pid for roots in databases for pid in roots})
    return {
        name: pids for name, pids in groups.items() if pids or (name == "database" and not ports)
    }


def _remote_ports(
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


def _roots(pids: Collection[int], stats: Mapping[int, ProcessStat]) -> list[int]:
    """Those whose parent is not among them: children keep a socket that their parent listens at."""
    roots = [pid for pid in pids if pid in stats and stats[pid].parent not in pids]
    return [pid for pid in roots if _name(pid) not in _PROXIES]


def _name(pid: int) -> str:
    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:
        return ""
