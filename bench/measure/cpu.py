"""CPU time of groups of processes, their children included, to the nanosecond. Linux.

The kernel's clock of a process (clock_getcpuclockid(3)) is exact and costs a microsecond, while
`/proc/<pid>/stat` counts in hundredths of a second: too coarse for cells of a second or two. Only
the time of children that ended is taken from there, as nothing else has it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

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
