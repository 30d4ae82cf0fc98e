"""The last minutes of a test, second by second, for each pool, store and kind of request.

A quantile needs ten samples beyond it, as everywhere. So a point of a line does not cover its one
second, but the shortest span of up to `WINDOW_S` seconds that ends with it and has the samples: at
200 requests per second p50 covers the last second, p99 the last five, and p99.9 is unknown.

Watching must not delay the load, which the same process may be sending: buckets are up to 0.8 %
wide here, so that there are few of them, and other greenlets get their turn in between.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import gevent

from windtunnel.live.window_counts import (
    GROUPINGS,
    Point,
    WindowCounts,
    WindowSecond,
    coarse,
    latest_quantiles,
    quantiles,
)
from windtunnel.recording.recorder import Latencies
from windtunnel.runner.collector import Report

KEPT_S: Final = 600
"""How far back seconds are kept."""

WINDOW_S: Final = 10
"""The length of the window whose figures the page shows."""

MAX_DELAY_S: Final = 7
"""How late the report of a process may be; then seconds are closed without it."""


class RollingWindow:
    """Takes the reports of all processes of a test, and closes a second once all have reported it.

    Reports are taken one after the other; `take` lets other greenlets work meanwhile.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.last_closed = 0
        """The last second that is closed; what is reported for it later counts in the next."""
        self._seconds: dict[int, WindowSecond] = {}
        self._reported_until: dict[str, int] = {}
        self._windows: dict[str, dict[str, Point]] = {}
        self._windows_until = 0

    def begin(self, members: Iterable[str]) -> None:
        """Wait for the first report of each of these, and for no member of an earlier test."""
        self._reported_until = dict.fromkeys(members, int(self._clock()) - 1)

    def take(self, report: Report, member: str) -> None:
        """Add what the process `member` recorded, and close the seconds that are complete."""
        for at, entries in report.seconds.items():
            second = self._second(at)
            for key, latencies in entries:
                second.add(key, Latencies(coarse(latencies.service), coarse(latencies.response)))
                gevent.sleep(0)
        for at, in_flight in report.in_flight.items():
            second = self._second(at)
            for store, pool, number in in_flight:
                second.add_in_flight(store, pool, number)
        self._reported_until[member] = report.until
        self._close(self._complete_until(int(self._clock())))

    def seconds(self, since: int = 0) -> list[int]:
        """Return the closed seconds after `since`."""
        return sorted(at for at in self._seconds if since < at <= self.last_closed)

    def line(self, grouping: str, name: str, seconds: Iterable[int]) -> list[Point | None]:
        """Return the points of a pool, store or kind in these seconds."""
        return [self._seconds[at].points.get(grouping, {}).get(name) for at in seconds]

    def names(self, grouping: str, seconds: Iterable[int]) -> list[str]:
        """Return the pools, stores or kinds that had requests in these seconds."""
        return sorted({name for at in seconds for name in self._seconds[at].group(grouping)})

    def window(self, grouping: str) -> dict[str, Point]:
        """Return a point for each pool, store or kind over the last `WINDOW_S` seconds."""
        if self._windows_until != self.last_closed:
            self._windows, self._windows_until = {}, self.last_closed
        if grouping not in self._windows:
            seconds = self.seconds(self.last_closed - WINDOW_S)
            self._windows[grouping] = {
                name: self._window_point(grouping, name, seconds)
                for name in self.names(grouping, seconds)
            }
        return self._windows[grouping]

    def successes(self, since: int, until: int) -> int:
        """Return how many requests succeeded after `since`, up to `until`."""
        return sum(
            counts.successes
            for at, second in self._seconds.items()
            if since < at <= until
            for counts in second.pools.values()
        )

    def between(
        self, begin: float, end: float, name: str, grouping: str = "pools"
    ) -> dict[int, Latencies]:
        """Return the latencies of a pool (or other) by whole second, from `begin` to `end`."""
        return {
            at: second.group(grouping)[name].unpacked()
            for at, second in sorted(self._seconds.items())
            if begin <= at
            and at + 1 <= end
            and at <= self.last_closed
            and name in second.group(grouping)
        }

    def _second(self, at: int) -> WindowSecond:
        return self._seconds.setdefault(max(at, self.last_closed + 1), WindowSecond())

    def _complete_until(self, now: int) -> int:
        """Return the last second that every process has reported; drop those that fell silent."""
        self._reported_until = {
            member: at for member, at in self._reported_until.items() if at >= now - MAX_DELAY_S
        }
        return min(self._reported_until.values(), default=now - MAX_DELAY_S)

    def _close(self, until: int) -> None:
        for at in sorted(at for at in self._seconds if self.last_closed < at <= until):
            second = self._seconds[at]
            for grouping in GROUPINGS:
                points = second.points[grouping] = {}
                for name in list(second.group(grouping)):
                    points[name] = self._point(grouping, name, at)
                    gevent.sleep(0)
            self.last_closed = at
            if (old := self._seconds.get(at - 2 * WINDOW_S)) is not None:
                old.pack()
        self.last_closed = max(self.last_closed, until)
        for at in [at for at in self._seconds if at <= self.last_closed - KEPT_S]:
            del self._seconds[at]

    def _point(self, grouping: str, name: str, at: int) -> Point:
        counts = self._seconds[at].group(grouping)[name]
        response = latest_quantiles(t.response for t in self._backwards(grouping, name, at))
        return Point(
            counts.successes,
            counts.failures,
            counts.in_flight,
            latest_quantiles(t.service for t in self._backwards(grouping, name, at)),
            response if counts.latencies.response else None,
        )

    def _backwards(self, grouping: str, name: str, at: int) -> Iterator[Latencies]:
        """Yield the latencies of a window's seconds, the latest first."""
        for earlier in range(at, at - WINDOW_S, -1):
            second = self._seconds.get(earlier)
            if second is not None and name in second.group(grouping):
                yield second.group(grouping)[name].latencies

    def _window_point(self, grouping: str, name: str, seconds: Iterable[int]) -> Point:
        groups = [self._seconds[at].group(grouping) for at in seconds]
        counts: list[WindowCounts] = [group[name] for group in groups if name in group]
        total = Latencies.empty()
        for second in counts:
            total.merge(second.unpacked())
        return Point(
            round(sum(second.successes for second in counts) / WINDOW_S, 1),
            sum(second.failures for second in counts),
            round(sum(second.in_flight for second in counts) / WINDOW_S, 1),
            quantiles(total.service),
            quantiles(total.response) if total.response else None,
        )
