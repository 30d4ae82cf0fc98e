"""Open load: requests are sent at their scheduled times, whatever the responses do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from time import perf_counter
from typing import Any, Final, Protocol

import gevent
from gevent import get_hub, getcurrent
from gevent.event import Event

from windtunnel.client.deadlines import Timer
from windtunnel.recording.histogram import Histogram
from windtunnel.recording.limits import LATE_S

IDLE_TIMEOUT: Final = 2.0
"""Seconds after which connections that nobody needed are closed, before the server does it.

They are looked at every so many seconds, so one may be idle for twice as long: less than the 5 s
that nginx leaves it open at a reload (`keepalive_min_timeout`).
"""

BATCH: Final = 16
"""Requests sent before responses get their turn again."""


class Sender(Protocol):
    """Sends one request at a time, over a connection of its own."""

    def send(self, scheduled: float) -> None:
        """Send the request scheduled for that time, wait for its response and record it."""

    def close(self) -> None:
        """Close the connection."""


@dataclass(slots=True)
class ScheduleStats:
    """How many requests were scheduled, sent late, and skipped for want of a free sender.

    `lag` holds how late the loop came round to sending, in microseconds. Lateness that a burst of
    responses caused, as from a server that had stalled, is left out.
    """

    scheduled: int = 0
    late: int = 0
    skipped: int = 0
    lag: Histogram = field(default_factory=Histogram)

    def add(self, other: ScheduleStats) -> None:
        """Merge another's counts into these."""
        self.scheduled += other.scheduled
        self.late += other.late
        self.skipped += other.skipped
        self.lag.merge(other.lag)

    def as_dict(self) -> dict[str, int]:
        """The counts under their keys in results."""
        return {"intended": self.scheduled, "late": self.late, "skipped": self.skipped}


def merge_stats(stats: Iterable[ScheduleStats]) -> ScheduleStats:
    """Return the counts of all of these together."""
    total = ScheduleStats()
    for part in stats:
        total.add(part)
    return total


StreamStats = dict[str, dict[str, ScheduleStats]]
"""By store, and by the name of the stream."""


class OpenLoop:
    """One schedule, and the senders that follow it: made on demand, the last one used first.

    Requests are sent from the hub: a sender's greenlet is switched to, sends, and comes back while
    it waits. At most `max_in_flight` requests are in flight; those due beyond that are skipped.
    """

    def __init__(self, make_sender: Callable[[], Sender], max_in_flight: int) -> None:
        self.stats = ScheduleStats()
        self.error: BaseException | None = None
        self._make_sender = make_sender
        self._max_in_flight = max_in_flight
        self._senders: list[Sender] = []
        self._greenlets: list[gevent.Greenlet] = []
        self._idle: list[tuple[Any, Sender]] = []
        self._unused = 0
        self._trimmed_at = perf_counter()
        self._arrivals: Iterator[float] = iter(())
        self._next = inf
        self._until = inf
        self._since = 0.0
        self._responses = 0
        self._woken_at = 0.0
        self._rate = 0.0
        self._quiet = Event()
        self._timer = Timer(self._wake)

    @property
    def in_flight(self) -> int:
        """How many requests have no response yet."""
        return len(self._senders) - len(self._idle)

    def run(self, arrivals: Iterator[float], rate: float) -> None:
        """Send at `arrivals` (times of `time.perf_counter()`), `rate` a second, from now on.

        `rate` is the number of responses a second beyond which they count as a burst.
        """
        self._arrivals, self._rate = arrivals, rate
        self._woken_at, self._responses = perf_counter(), 0
        self._next = next(arrivals, inf)
        self._timer.set(self._next)

    def count_from(self, since: float) -> None:
        """Reset the counts, and count only what is scheduled for `since` or later."""
        self.stats, self._since = ScheduleStats(), since

    def end(self, until: float) -> None:
        """Send nothing that is scheduled for `until` or later; an earlier end still holds.

        A later end would find the timer off, and what lies between would never be sent.
        """
        self._until = min(self._until, until)

    def drain(self, timeout: float) -> None:
        """Wait until all that is scheduled is sent and has its response, `timeout` seconds at most.

        What could not even be sent by then counts as skipped.
        """
        deadline = perf_counter() + timeout
        while self._next < self._until and perf_counter() < deadline:
            gevent.sleep(LATE_S)
        self._skip_rest()
        self._quiet.clear()
        if self.in_flight and self.error is None:
            self._quiet.wait(max(deadline - perf_counter(), 0))

    def close(self) -> None:
        """Stop at once, requests in flight included, and close all connections."""
        self._next = inf
        self._timer.close()
        gevent.killall(self._greenlets)
        for sender in self._senders:
            sender.close()
        self._senders.clear()
        self._idle.clear()

    def _skip_rest(self) -> None:
        while self._next < self._until < inf:
            self.stats.scheduled += self._next >= self._since
            self.stats.skipped += self._next >= self._since
            self._next = next(self._arrivals, inf)

    # -- in the hub -------------------------------------------------------------------------

    def _wake(self) -> None:
        now = perf_counter()
        if self._next < self._until and self._next <= now:
            self._record_lag(now)
        if now - self._trimmed_at > IDLE_TIMEOUT:
            self._trim(now)
        for _ in range(BATCH):
            scheduled = self._next
            if scheduled > now or scheduled >= self._until:
                break
            self._next = next(self._arrivals, inf)
            self._send(scheduled, now)
            now = perf_counter()
        if self._next < self._until:
            self._timer.set(self._next)
        else:
            self._timer.cancel()

    def _trim(self, now: float) -> None:
        """Close the connections that were not needed since the last trim."""
        for _, sender in self._idle[: self._unused]:
            sender.close()
        self._unused, self._trimmed_at = len(self._idle), now

    def _record_lag(self, now: float) -> None:
        expected = self._rate * (now - self._woken_at)
        if self._responses <= 2 * expected + BATCH and self._next >= self._since:
            self.stats.lag.record((now - self._next) * 1e6)
        self._woken_at, self._responses = now, 0

    def _send(self, scheduled: float, now: float) -> None:
        can_send = bool(self._idle) or len(self._senders) < self._max_in_flight
        if scheduled >= self._since:
            stats = self.stats
            stats.scheduled += 1
            stats.late += can_send and now - scheduled > LATE_S
            stats.skipped += not can_send
        if self._idle:
            greenlet, _ = self._idle.pop()
            self._unused = min(self._unused, len(self._idle))
            greenlet.switch(scheduled)
        elif can_send:
            self._add_sender(scheduled)

    def _add_sender(self, scheduled: float) -> None:
        sender = self._make_sender()
        self._senders.append(sender)
        self._greenlets.append(gevent.spawn(self._serve, sender, scheduled))

    # -- in a greenlet of a sender ----------------------------------------------------------

    def _serve(self, sender: Sender, scheduled: float) -> None:
        entry, wait, send = (getcurrent(), sender), get_hub().switch, sender.send
        try:
            while True:
                send(scheduled)
                self._responses += 1
                self._idle.append(entry)
                if len(self._idle) == len(self._senders):
                    self._quiet.set()
                scheduled = wait()
        except Exception as error:
            self.error = self.error or error
            self._quiet.set()


def drain(loops: Sequence[OpenLoop], timeout: float) -> None:
    """Wait until every loop has its responses, `timeout` seconds at most for all of them."""
    deadline = perf_counter() + timeout
    for loop in loops:
        loop.drain(deadline - perf_counter())
