"""What it costs to watch the event loop: CPU of a process, watched and not, idle and at work.

Idle, and held by calls that wait as a blocking driver's do, it is the process's time that counts.
At work, where two runs of the same differ by more than the limit, it is that of the thread.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from time import perf_counter, process_time, sleep
from typing import Any, Final

from benchmarks.check import Verdict
from watch import watched_loop
from watch.sampler import THREAD_NAME

LIMIT: Final = 0.01
"""Share of a processor."""

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


async def at_work() -> float:
    """Run callbacks, each as long as a request; return the share that the watch's thread took.

    Not by the process's time, which differs between two runs of the same by more than the limit.
    """
    loop, done, wall = asyncio.get_running_loop(), asyncio.Event(), perf_counter()
    clocks = [time.pthread_getcpuclockid(thread.ident or 0) for thread in _watching()]

    def step() -> None:
        sum(range(3_000))
        if perf_counter() - wall < SECONDS:
            loop.call_soon(step)
        else:
            done.set()

    before = sum(map(time.clock_gettime, clocks))
    loop.call_soon(step)
    await done.wait()
    return (sum(map(time.clock_gettime, clocks)) - before) / (perf_counter() - wall)


def _watching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


KINDS: Final[dict[str, Callable[[], Any]]] = {"idle": idle, "blocked": blocked, "at work": at_work}


def once(kind: str, work: Callable[[], Any], watched: bool) -> float:
    """Measure on a new loop, watched or not."""
    make_loop, watch = watched_loop(kind)

    async def main() -> float:
        if watched:
            watch.start()
        found: float = await work()
        watch.stop()
        return found

    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(main())


def extra(kind: str, name: str) -> float:
    """Return the share of a processor that watching takes, by pairs."""
    measure = partial(once, kind, KINDS[name])
    found = []
    for number in range(PAIRS):
        first = bool(number % 2)
        one, two = measure(first), measure(not first)
        on, off = (one, two) if first else (two, one)
        found.append(on - off)
    return median(found)


def watching() -> Iterator[Verdict]:
    """Measure both loops, each in a process of its own."""
    for kind in ("asyncio", "uvloop"):
        command = [sys.executable, "-m", "benchmarks.loop_watch", kind]
        told = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=300, check=True)
        for name, share in json.loads(told.stdout).items():
            yield Verdict(
                f"watching a loop that is {name} ({kind})",
                f"{share:.2%} of a processor",
                f"{LIMIT:.0%}",
                share <= LIMIT,
            )


if __name__ == "__main__":
    print(json.dumps({name: extra(sys.argv[1], name) for name in KINDS}))
