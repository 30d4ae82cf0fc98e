"""Watches the event loop: how late it is, how busy, and how long it was held at most.

Lag is how late a timer fires that is set every `TICK`: what any callback would have waited.
asyncio sleeps in whole milliseconds, so an idle loop shows up to 1 ms.

Busy is the share of time in which the loop runs callbacks (or is blocked by one) and does not
wait for events. asyncio's selector tells exactly (`WatchedSelector`); uvloop tells nothing, so
there the larger of two lower bounds is taken: CPU time of the loop's thread, and lateness.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from server.answers import LoopInfo
from server.metrics import Histogram

TICK = 0.02
RECENT = 10.0
"""Seconds that `recent` covers."""

BOUNDS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
)  # fmt: skip
"""Upper bounds of the lag's buckets, in seconds."""


class WatchedSelector(selectors.DefaultSelector):
    """Adds up the time spent waiting for events, and notes the longest time between waits."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = 0.0
        self.longest = 0.0
        self._woken = perf_counter()

    def select(self, timeout: float | None = None) -> list[Any]:
        """Wait for events."""
        start = perf_counter()
        held = start - self._woken
        if held > self.longest:
            self.longest = held
        events = super().select(timeout)
        self._woken = woken = perf_counter()
        self.idle += woken - start
        return events


@dataclass(frozen=True, slots=True)
class _Sample:
    """Totals at one moment, in seconds, and the longest hold since the sample before."""

    when: float
    busy: float
    longest: float


class LoopWatch:
    """Counts from `start` to `stop`; everything in seconds."""

    def __init__(self, selector: WatchedSelector | None = None) -> None:
        self.lag = Histogram("windtunnel_loop_lag_seconds", bounds=BOUNDS)
        self._selector = selector
        self._late = self._longest = 0.0
        self._samples: deque[_Sample] = deque(maxlen=int(RECENT) + 1)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to watch the running loop."""
        self._loop = asyncio.get_running_loop()
        self._began = perf_counter()
        self._idle_before = self._selector.idle if self._selector else 0.0
        self._cpu_before = time.thread_time()
        self._samples.append(_Sample(self._began, 0.0, 0.0))
        self._set()

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _set(self) -> None:
        self._due = perf_counter() + TICK
        self._timer = self._loop.call_later(TICK, self._tick)

    def _tick(self) -> None:
        now = perf_counter()
        lag = max(0.0, now - self._due)
        self.lag.observe(lag)
        if lag > BOUNDS[0]:
            self._late += lag
            self._longest = max(self._longest, lag)
        if now - self._samples[-1].when >= 1.0:
            self._sample(now)
        self._set()

    def _sample(self, now: float) -> None:
        longest, self._longest = self._longest, 0.0
        if self._selector is not None:
            longest, self._selector.longest = self._selector.longest, 0.0
        self._samples.append(_Sample(now, self.busy(now), longest))

    def busy(self, now: float) -> float:
        """Return for how many seconds the loop has been busy."""
        if self._selector is not None:
            return now - self._began - (self._selector.idle - self._idle_before)
        return max(self._late, time.thread_time() - self._cpu_before)

    def expose(self) -> Iterator[str]:
        """Yield the lines of Prometheus's text format."""
        yield "# HELP windtunnel_loop_lag_seconds How late a timer of the event loop fires."
        yield "# TYPE windtunnel_loop_lag_seconds histogram"
        yield from self.lag.expose()
        yield "# HELP windtunnel_loop_busy_seconds_total Time in which the event loop did not wait."
        yield "# TYPE windtunnel_loop_busy_seconds_total counter"
        yield f"windtunnel_loop_busy_seconds_total {self.busy(perf_counter())!r}"

    def report(self, name: str) -> LoopInfo:
        """Return what `GET /loop` answers; totals grow, so two reads give what lies between."""
        now = perf_counter()
        first = self._samples[0]
        busy, span = self.busy(now), now - first.when
        running = self._selector.longest if self._selector else self._longest
        return {
            "loop": name,
            "exact": self._selector is not None,
            "elapsed_s": now - self._began,
            "busy_s": busy,
            "lag": {
                "le_s": list(BOUNDS),
                "counts": list(self.lag.counts),
                "total_s": self.lag.total,
            },
            "recent": {
                "seconds": span,
                "busy_share": min(1.0, (busy - first.busy) / span) if span else 0.0,
                "longest_block_ms": 1000 * max(running, *(s.longest for s in self._samples)),
            },
        }
