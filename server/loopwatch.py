"""Watches the event loop: how late it is, how busy, and how long it was held at most.

Lag is how late a timer fires: what any callback would have waited. It is set at uneven distances,
half to one and a half times the mean, so that no load that comes at even ones keeps step with it
and goes unseen. asyncio sleeps in whole milliseconds, so an idle loop shows up to 1 ms.

Busy is the share of time in which the loop runs callbacks (or is blocked by one) and does not
wait for events. asyncio's selector tells exactly (`WatchedSelector`); uvloop tells nothing, so
there the larger of two lower bounds is taken: CPU time of the loop's thread, and lateness.

A block is a turn of the loop that lasted `BLOCK` or longer; on uvloop, as much of one as made the
timer late. A thread looks now and then who it is that holds the loop (`server.holding`); who it
does not see is known all the same, on asyncio, if its request ended within the block (`note`).
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import random
from time import perf_counter
from typing import Any

from tornado.web import RequestHandler

from server.api.schemas import LoopInfo
from server.blocks import BLOCK, NONE, Block, Blocks
from server.holding import Holder, Sampler
from server.metrics import Histogram

TICK, TICK_TELLING_NOTHING = 0.04, 0.02
"""Mean seconds between two timers: on a loop that tells its turns, and on one that does not.

To wake up for one is nearly all that watching an idle loop costs, 0.2 ms on a virtual machine.
"""

RECENT = 10.0
"""Seconds that `recent` covers."""

BOUNDS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
)  # fmt: skip
"""Upper bounds of the lag's buckets, in seconds."""


class WatchedSelector(selectors.DefaultSelector):
    """Adds up the time spent waiting for events, and notes the longest time between waits.

    `on_block` is called with the seconds and the turn of each block when it has ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.idle = 0.0
        self.longest = 0.0
        self.on_block: Callable[[float, float], None] = lambda _seconds, _turn: None
        self._woken = perf_counter()
        self._waiting = False

    def turn(self) -> float | None:
        """When this turn began; None while the loop waits. From any thread."""
        return None if self._waiting else self._woken

    def select(self, timeout: float | None = None) -> list[Any]:
        """Wait for events."""
        start = perf_counter()
        held = start - self._woken
        if held > self.longest:
            self.longest = held
        if held >= BLOCK:
            self.on_block(held, self._woken)
        self._waiting = True
        events = super().select(timeout)
        self._woken = woken = perf_counter()
        self._waiting = False
        self.idle += woken - start
        return events


class Ticks:
    """The turns of a loop that tells nothing: from one tick of the watch's timer to the next."""

    def __init__(self) -> None:
        self.began = perf_counter()

    def turn(self) -> float:
        """When this turn began. From any thread."""
        return self.began


@dataclass(frozen=True, slots=True)
class _Sample:
    """Totals at one moment, in seconds, and the longest hold since the sample before."""

    when: float
    busy: float
    longest: Block


class LoopWatch:
    """Counts from `start` to `stop`; everything in seconds."""

    def __init__(self, selector: WatchedSelector | None = None) -> None:
        self.lag = Histogram("windtunnel_loop_lag_seconds", bounds=BOUNDS)
        self.blocks = Blocks()
        self._selector = selector
        self._ticks = Ticks()
        self._tick_s = TICK if selector else TICK_TELLING_NOTHING
        self._late = 0.0
        self._longest = NONE
        self._noted: Holder | None = None
        self._noted_in = self._noted_for = 0.0
        self._samples: deque[_Sample] = deque(maxlen=int(RECENT) + 1)
        self._timer: asyncio.TimerHandle | None = None
        self._sampler: Sampler | None = None

    def start(self) -> None:
        """Begin to watch the running loop, from its thread."""
        self._loop = asyncio.get_running_loop()
        self._began = perf_counter()
        if self._selector is not None:
            self._selector.longest = 0.0
            self._selector.on_block = self._blocked
        self._idle_before = self._selector.idle if self._selector else 0.0
        self._cpu_before = time.thread_time()
        self._samples.append(_Sample(self._began, 0.0, NONE))
        self._sampler = Sampler(self._selector or self._ticks)
        self._set()

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._sampler is not None:
            self._sampler.stop()

    def note(self, handler: RequestHandler, entered: float) -> None:
        """Take note of a request that ends now, if it took `BLOCK` or longer within this turn.

        Where one turn cannot be told from the next (uvloop) this is not known.
        """
        turn = self._selector.turn() if self._selector else None
        if turn is None or entered < turn:
            return
        held = perf_counter() - entered
        if held >= BLOCK and (turn, held) > (self._noted_in, self._noted_for):
            self._noted, self._noted_in, self._noted_for = Holder.of(handler), turn, held

    def _set(self) -> None:
        tick = self._tick_s * (0.5 + random())
        self._due = perf_counter() + tick
        if self._sampler is not None:
            self._sampler.in_time(tick + BLOCK)
        self._timer = self._loop.call_later(tick, self._tick)

    def _tick(self) -> None:
        now = perf_counter()
        lag = max(0.0, now - self._due)
        self.lag.observe(lag)
        if lag > BOUNDS[0]:
            self._late += lag
            if self._selector is None:
                self._held(lag)
        self._ticks.began = now
        if now - self._samples[-1].when >= 1.0:
            self._sample(now)
        self._set()

    def _held(self, lag: float) -> None:
        if lag >= BLOCK:
            self._blocked(lag, self._ticks.began)
        elif lag > self._longest.seconds:
            self._longest = Block(lag)

    def _blocked(self, seconds: float, turn: float) -> None:
        seen = self._sampler.holder(turn) if self._sampler else None
        block = Block(seconds, seen or (self._noted if self._noted_in == turn else None))
        self.blocks.add(block)
        if seconds > self._longest.seconds:
            self._longest = block

    def _sample(self, now: float) -> None:
        self._samples.append(_Sample(now, self.busy(now), self._running()))
        self._longest = NONE
        if self._selector is not None:
            self._selector.longest = 0.0

    def _running(self) -> Block:
        """The longest hold since the last sample."""
        shorter = self._selector.longest if self._selector else 0.0
        return self._longest if self._longest.seconds >= shorter else Block(shorter)

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
        yield from self.blocks.expose()

    def report(self, name: str, connections: int | None = None) -> LoopInfo:
        """Return what `GET /loop` answers; totals grow, so two reads give what lies between."""
        now = perf_counter()
        first = self._samples[0]
        busy, span = self.busy(now), now - first.when
        longest = max(self._running(), *(s.longest for s in self._samples), key=Block.length)
        return {
            "loop": name,
            "connections": connections,
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
                "longest_block_ms": 1000 * longest.seconds,
                "longest_block_by": longest.told(),
            },
            "blocks": self.blocks.report(),
        }
