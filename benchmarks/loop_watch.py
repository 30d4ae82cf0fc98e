"""What it costs to watch the event loop: CPU of a process, watched and not, idle and busy.

Idle, and blocked by calls that wait as a blocking driver's do, the process's time counts. Busy,
where two runs of the same differ by more than the limit, the time of the watch's thread does.

`python -m benchmarks.loop_watch {asyncio,uvloop}` prints the shares of one loop as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from statistics import median
from time import perf_counter, process_time, sleep
from typing import Final

from benchmarks.harness import Check
from benchmarks.processes import run_module
from watch import watched_loop
from watch.sampler import THREAD_NAME

CPU_LIMIT: Final = 0.01
"""What watching may take, as a share of a processor; 0.01 to 0.59 % was measured on 28 November
2026, beside other work."""

SECONDS, PAIRS = 1.0, 7

_BLOCK: Final = 0.02


async def idle() -> float:
    """Do nothing for a while; return the share of a processor that it took."""
    wall, cpu = perf_counter(), process_time()
    await asyncio.sleep(SECONDS)
    return (process_time() - cpu) / (perf_counter() - wall)


async def blocked() -> float:
    """Hold the loop in calls that wait, as a blocking driver does; return the share it took."""
    wall, cpu = perf_counter(), process_time()
    for _ in range(int(SECONDS / _BLOCK)):
        sleep(_BLOCK)
        await asyncio.sleep(0)
    return (process_time() - cpu) / (perf_counter() - wall)


async def busy() -> float:
    """Run callbacks, each as long as a request; return the share that the watch's thread took."""
    loop, finished, wall = asyncio.get_running_loop(), asyncio.Event(), perf_counter()
    clocks = [time.pthread_getcpuclockid(thread.ident or 0) for thread in _watch_threads()]

    def step() -> None:
        sum(range(3_000))
        if perf_counter() - wall < SECONDS:
            loop.call_soon(step)
        else:
            finished.set()

    before = sum(map(time.clock_gettime, clocks))
    loop.call_soon(step)
    await finished.wait()
    return (sum(map(time.clock_gettime, clocks)) - before) / (perf_counter() - wall)


def _watch_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


LOADS: Final[dict[str, Callable[[], Awaitable[float]]]] = {
    "idle": idle,
    "blocked": blocked,
    "at work": busy,
}


def cpu_share(loop: str, load: Callable[[], Awaitable[float]], watched: bool) -> float:
    """Return the share of a processor that a load takes on a new loop, watched or not."""
    make_loop, watch = watched_loop(loop)

    async def main() -> float:
        if watched:
            watch.start()
        share = await load()
        watch.stop()
        return share

    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(main())


def added_share(loop: str, name: str) -> float:
    """Return the share of a processor that watching adds to a load: the median of pairs."""
    measure = partial(cpu_share, loop, LOADS[name])
    differences = []
    for number in range(PAIRS):
        watched_first = bool(number % 2)
        shares = {watched: measure(watched) for watched in (watched_first, not watched_first)}
        differences.append(shares[True] - shares[False])
    return median(differences)


def watching() -> Iterator[Check]:
    """CPU of watching an event loop, idle, blocked and at work."""
    for loop in ("asyncio", "uvloop"):
        shares = json.loads(run_module("benchmarks.loop_watch", loop))
        for name, share in shares.items():
            yield Check(
                f"watching a loop that is {name} ({loop})",
                f"{share:.2%} of a processor",
                f"{CPU_LIMIT:.0%}",
                share <= CPU_LIMIT,
            )


if __name__ == "__main__":
    print(json.dumps({name: added_share(sys.argv[1], name) for name in LOADS}))
