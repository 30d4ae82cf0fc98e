"""CPU time of another process, in nanoseconds, all its threads together."""

from __future__ import annotations

import time

_SCHED = 2


def cpu_ns(pid: int) -> int:
    """Return what process `pid` has used so far; raises OSError if it is gone.

    The clock of clock_getcpuclockid(3), whose number Linux derives from the pid. It counts in
    nanoseconds where /proc/<pid>/stat counts in ticks of 10 ms.
    """
    return time.clock_gettime_ns((~pid << 3) | _SCHED)
