"""The health of generator and machine while a cell is measured. Linux: reads /proc."""

from __future__ import annotations

import os
from pathlib import Path
from time import perf_counter
from typing import Final

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
        return self._histogram.quantile_ms(0.99)

    def take(self) -> Histogram:
        """Return what was recorded since the last call."""
        histogram, self._histogram = self._histogram, Histogram()
        return histogram

    def _work(self) -> None:
        while True:
            scheduled = perf_counter() + LAG_INTERVAL_S
            gevent.sleep(LAG_INTERVAL_S)
            self._histogram.record((perf_counter() - scheduled) * 1e6)


def stolen_share(before: tuple[int, int], after: tuple[int, int]) -> float:
    """Return the share of the machine's CPU time that was stolen between two readings of ticks."""
    stolen, total = (later - earlier for earlier, later in zip(before, after, strict=True))
    return round(stolen / total, 4) if total else 0.0
