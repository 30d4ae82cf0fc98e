"""How well generator and machine were while a cell was measured. Linux: reads /proc."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

import gevent

from windtunnel.recording.histogram import Histogram

LAG_EVERY: Final = 0.01
"""Seconds between two looks at how late the generator's loop is."""

GENERATOR_LIMIT: Final = 0.85
SCHEDULE_LAG_LIMIT_MS: Final = 2.0
STEAL_LIMIT: Final = 0.05


def ticks() -> tuple[int, int]:
    """Return clock ticks of all processors since boot: stolen by the hypervisor, and in all."""
    with Path("/proc/stat").open() as file:
        spent = [int(part) for part in file.readline().split()[1:9]]
    return spent[7], sum(spent)


def descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208


class Lag:
    """Watches how much later than asked for the loop comes round; milliseconds."""

    def __init__(self) -> None:
        self._seen = Histogram()
        self._greenlet: gevent.Greenlet = gevent.spawn(self._watch)

    def stop(self) -> float | None:
        """Stop, and return the 99th percentile; None if it never came round."""
        self._greenlet.kill()
        return self._seen.quantile(0.99) / 1000 if self._seen else None

    def take(self) -> Histogram:
        """Return what was seen since the last call, in microseconds."""
        taken, self._seen = self._seen, Histogram()
        return taken

    def _watch(self) -> None:
        while True:
            intended = perf_counter() + LAG_EVERY
            gevent.sleep(LAG_EVERY)
            self._seen.record((perf_counter() - intended) * 1e6)


@dataclass(slots=True)
class Health:
    """Begins when it is made; `stop` ends it."""

    began: float = field(default_factory=perf_counter)
    cpu: float = field(default_factory=process_time)
    ticks: tuple[int, int] = field(default_factory=ticks)
    lag: Lag = field(default_factory=Lag)

    def stop(self) -> dict[str, Any]:
        """Return shares of 1 (`steal` of the machine, `generator_cpu` of one core), lag, and fds.

        `lag_p99_ms` is at best 1, the resolution of the loop's timers.
        """
        seconds, cpu = perf_counter() - self.began, process_time() - self.cpu
        stolen, all_ = (now - then for now, then in zip(ticks(), self.ticks, strict=True))
        return {
            "steal": round(stolen / all_, 4) if all_ else 0.0,
            "generator_cpu": round(cpu / seconds, 4),
            "lag_p99_ms": self.lag.stop(),
            "descriptors": descriptors(),
            "descriptors_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        }


def flags(health: dict[str, Any]) -> Sequence[str]:
    """What of `health` makes a cell doubtful."""
    found = []
    if (health.get("generator_cpu") or 0.0) > GENERATOR_LIMIT:
        found.append("the generator was the limit: a lower bound")
    elif (health.get("schedule_lag_p99_ms") or 0.0) > SCHEDULE_LAG_LIMIT_MS:
        found.append("the generator was the limit, it sent late: a lower bound")
    if (health.get("steal") or 0.0) > STEAL_LIMIT:
        found.append(f"more than {STEAL_LIMIT:.0%} of the machine was stolen")
    return found
