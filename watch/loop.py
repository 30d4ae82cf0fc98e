"""Watches an event loop: how late it is, how busy, and how long it was held at most.

Lag is how late a timer fires: what any callback would have waited. The timer's distances are
random, half to one and a half times the mean, so that load which comes at even distances cannot
keep step with it and stay hidden. asyncio sleeps in whole milliseconds, so an idle loop shows up
to 1 ms of lag.

Busy is the share of time in which the loop runs callbacks (or is blocked by one) and does not
wait for events. On asyncio it is exact (`WatchedSelector`); uvloop offers no such hook, so it is
the larger of two lower bounds there: CPU time of the loop's thread, and lateness.

A block is a turn of the loop that lasted `BLOCK` or longer; on uvloop, the part of one that made
the timer late. Its holder is sampled by another thread (`watch.sampler`); a holder that no sample
has met is known on asyncio if its request ended within the block (`note_request`).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import random
from time import perf_counter
from typing import TYPE_CHECKING

from watch.blocks import BLOCK, NO_HOLD, BlockTotals, LoopHold
from watch.histogram import PrometheusHistogram
from watch.holders import Holder
from watch.report import LoopReport
from watch.sampler import StackSampler
from watch.selector import WatchedSelector

if TYPE_CHECKING:
    from tornado.web import RequestHandler

TICK, TICK_WITHOUT_SELECTOR = 0.04, 0.02
"""Mean seconds between two timers: on a loop whose turns are known, and on any other.

Waking up for a timer is nearly all that watching an idle loop costs, 0.2 ms on a virtual machine.
"""

RECENT = 10.0
"""Seconds that `recent` covers."""

BOUNDS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
)  # fmt: skip
"""Upper bounds of the lag's buckets, in seconds."""


class TimerTurns:
    """Turns of a loop without a watched selector: from one timer of the watch to the next."""

    def __init__(self) -> None:
        self.start = perf_counter()

    def turn(self) -> float:
        """Return when this turn began. From any thread."""
        return self.start


@dataclass(frozen=True, slots=True)
class _Totals:
    """Totals at a moment, in seconds, and the longest hold since the moment before."""

    when: float
    busy: float
    longest: LoopHold


class LoopWatch:
    """Watches the loop from `start` to `stop`; times are in seconds.

    `package` is the application's own: a holder's function is the innermost of it on the stack.
    """

    def __init__(self, selector: WatchedSelector | None = None, package: str = "") -> None:
        self.lag = PrometheusHistogram("windtunnel_loop_lag_seconds", BOUNDS)
        self.blocks = BlockTotals()
        self._selector = selector
        self._package = package
        self._timer_turns = TimerTurns()
        self._tick_s = TICK if selector else TICK_WITHOUT_SELECTOR
        self._late = 0.0
        self._longest = NO_HOLD
        self._request: Holder | None = None
        self._request_turn = self._request_seconds = 0.0
        self._history: deque[_Totals] = deque(maxlen=int(RECENT) + 1)
        self._timer: asyncio.TimerHandle | None = None
        self._sampler: StackSampler | None = None

    def start(self) -> None:
        """Begin to watch the running loop, from its thread."""
        self._loop = asyncio.get_running_loop()
        self._began = perf_counter()
        if self._selector is not None:
            self._selector.longest = 0.0
            self._selector.on_block = self._count_block
        self._idle_before = self._selector.idle if self._selector else 0.0
        self._cpu_before = time.thread_time()
        self._history.append(_Totals(self._began, 0.0, NO_HOLD))
        self._sampler = StackSampler(self._selector or self._timer_turns, self._package)
        self._set_timer()

    def stop(self) -> None:
        """Stop watching; does nothing before `start`."""
        if self._timer is not None:
            self._timer.cancel()
        if self._sampler is not None:
            self._sampler.stop()

    def note_request(self, handler: RequestHandler, entered: float) -> None:
        """Remember a request that ends now, if it took `BLOCK` or longer within this turn.

        `entered` is when its handler began. Ignored where turns are unknown (uvloop).
        """
        turn = self._selector.turn() if self._selector else None
        if turn is None or entered < turn:
            return
        seconds = perf_counter() - entered
        if seconds >= BLOCK and (turn, seconds) > (self._request_turn, self._request_seconds):
            self._request = Holder.of(handler)
            self._request_turn, self._request_seconds = turn, seconds

    def _set_timer(self) -> None:
        tick = self._tick_s * (0.5 + random())
        self._due = perf_counter() + tick
        if self._sampler is not None:
            self._sampler.expect_in(tick + BLOCK)
        self._timer = self._loop.call_later(tick, self._tick)

    def _tick(self) -> None:
        now = perf_counter()
        lag = max(0.0, now - self._due)
        self.lag.observe(lag)
        if lag > BOUNDS[0]:
            self._late += lag
            if self._selector is None:
                self._count_lag(lag)
        self._timer_turns.start = now
        if now - self._history[-1].when >= 1.0:
            self._add_totals(now)
        self._set_timer()

    def _count_lag(self, lag: float) -> None:
        if lag >= BLOCK:
            self._count_block(lag, self._timer_turns.start)
        elif lag > self._longest.seconds:
            self._longest = LoopHold(lag)

    def _count_block(self, seconds: float, turn: float) -> None:
        holder = self._sampler.holder(turn) if self._sampler else None
        if holder is None and self._request_turn == turn:
            holder = self._request
        block = LoopHold(seconds, holder)
        self.blocks.add(block)
        if seconds > self._longest.seconds:
            self._longest = block

    def _add_totals(self, now: float) -> None:
        self._history.append(_Totals(now, self.busy(now), self._longest_hold()))
        self._longest = NO_HOLD
        if self._selector is not None:
            self._selector.longest = 0.0

    def _longest_hold(self) -> LoopHold:
        """Return the longest hold since totals were last added."""
        seconds = self._selector.longest if self._selector else 0.0
        return self._longest if self._longest.seconds >= seconds else LoopHold(seconds)

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

    def report(self, loop: str, connections: int | None = None) -> LoopReport:
        """Return the totals and the last seconds, with the loop's name and open connections."""
        now = perf_counter()
        first = self._history[0]
        busy, span = self.busy(now), now - first.when
        holds = [self._longest_hold(), *(totals.longest for totals in self._history)]
        longest = max(holds, key=lambda hold: hold.seconds)
        return {
            "loop": loop,
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
                "longest_block_by": longest.holder_info(),
            },
            "blocks": self.blocks.report(),
        }


def watched_loop(
    kind: str, package: str = ""
) -> tuple[Callable[[], asyncio.AbstractEventLoop], LoopWatch]:
    """Return a factory of event loops (asyncio or uvloop), and the watch of the loop it makes.

    Raises ImportError where uvloop is asked for and not installed.
    """
    if kind == "uvloop":
        import uvloop

        return uvloop.new_event_loop, LoopWatch(package=package)
    selector = WatchedSelector()
    return lambda: asyncio.SelectorEventLoop(selector), LoopWatch(selector, package)
