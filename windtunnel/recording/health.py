"""The health of generator and machine while a cell is measured. Linux: reads /proc."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

import gevent

from windtunnel.recording.histogram import Histogram

LAG_INTERVAL_S: Final = 0.01
"""Seconds between two measurements of the lag of the generator's loop."""


def cpu_ticks() -> tuple[int, int]:
    """Return clock ticks of all processors since boot: stolen by the hypervisor, and in total."""
    with Path("/proc/stat").open() as file:
        ticks = [int(field) for field in file.readline().split()[1:9]]
    return ticks[7], sum(ticks)


def descriptors() -> int:
    """Return how many file descriptors this process has open."""
    return len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208


class LoopLag:
    """Records how much later than scheduled the event loop resumes this greenlet."""

    def __init__(self) -> None:
        self._histogram = Histogram()
        self._greenlet: gevent.Greenlet = gevent.spawn(self._work)

    def stop(self) -> float | None:
        """Stop, and return the 99th percentile in milliseconds; None if it was never resumed."""
        self._greenlet.kill()
        return self._histogram.quantile(0.99) / 1000 if self._histogram else None

    def take(self) -> Histogram:
        """Return what was recorded since the last call."""
        histogram, self._histogram = self._histogram, Histogram()
        return histogram

    def _work(self) -> None:
        while True:
            scheduled = perf_counter() + LAG_INTERVAL_S
            gevent.sleep(LAG_INTERVAL_S)
            self._histogram.record((perf_counter() - scheduled) * 1e6)


@dataclass(slots=True)
class HealthMonitor:
    """Measures the health of a cell from when it is made until `stop`."""

    began: float = field(default_factory=perf_counter)
    cpu: float = field(default_factory=process_time)
    ticks: tuple[int, int] = field(default_factory=cpu_ticks)
    lag: LoopLag = field(default_factory=LoopLag)

    def stop(self) -> dict[str, Any]:
        """Return shares of 1 (`steal` of the machine, `generator_cpu` of a core), lag, descriptors.

        `lag_p99_ms` is at best 1, the resolution of the loop's timers.
        """
        seconds, cpu = perf_counter() - self.began, process_time() - self.cpu
        stolen, total = (now - then for now, then in zip(cpu_ticks(), self.ticks, strict=True))
        return {
            "steal": round(stolen / total, 4) if total else 0.0,
            "generator_cpu": round(cpu / seconds, 4),
            "lag_p99_ms": self.lag.stop(),
            "descriptors": descriptors(),
            "descriptors_limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        }
