"""Open load: sends at intended times, whatever becomes of what was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from time import perf_counter
from typing import Any, Final, Protocol

import gevent
from gevent import get_hub, getcurrent
from gevent.event import Event

from windtunnel.client.timers import Timer
from windtunnel.recording.histogram import Histogram
from windtunnel.recording.limits import LATE_S

IDLE_AT_MOST: Final = 2.0
"""Seconds after which connections that nobody needed are closed, before the server does it.

They are looked at every so many seconds, so one may be idle for twice as long: less than the 5 s
that nginx leaves it open at a reload (`keepalive_min_timeout`).
"""

BATCH: Final = 16
"""Requests sent before answers get their turn again."""


class Sender(Protocol):
    """Sends one request at a time, over a connection of its own."""

    def send(self, intended: float) -> None:
        """Send a request meant for `intended`, wait for its answer and count it."""

    def close(self) -> None:
        """Give back what it holds."""


@dataclass(slots=True)
class ScheduleStats:
    """What became of intended requests. `skipped`: as many as may be were under way.

    `lag` holds how late the loop came round to sending, in microseconds; what a burst
    of answers caused, which a server that had stalled lets go at once, is no part of it.
    """

    intended: int = 0
    late: int = 0
    skipped: int = 0
    lag: Histogram = field(default_factory=Histogram)

    def add(self, other: ScheduleStats) -> None:
        """Merge another's counts into these."""
        self.intended += other.intended
        self.late += other.late
        self.skipped += other.skipped
        self.lag.merge(other.lag)

    def counts(self) -> dict[str, int]:
        """How many were intended, late and skipped, as a stream of a cell has it."""
        return {"intended": self.intended, "late": self.late, "skipped": self.skipped}


def added(some: Iterable[ScheduleStats]) -> ScheduleStats:
    """The counts of all of these together."""
    sent = ScheduleStats()
    for each in some:
        sent.add(each)
    return sent


ScheduleStatsByStream = dict[str, dict[str, ScheduleStats]]
"""By store, and by the name of the stream."""


class OpenLoop:
    """One schedule and those that send by it, made when needed, the last one used first.

    Requests are sent from the hub: a sender's greenlet is switched to, sends, and comes back while
    it waits. `bound` is how many may be under way.
    """

    def __init__(self, make: Callable[[], Sender], bound: int) -> None:
        self.sent = ScheduleStats()
        self.broken: BaseException | None = None
        self._make = make
        self._bound = bound
        self._senders: list[Sender] = []
        self._greenlets: list[gevent.Greenlet] = []
        self._idle: list[tuple[Any, Sender]] = []
        self._unused = 0
        self._trimmed = perf_counter()
        self._arrivals: Iterator[float] = iter(())
        self._next = inf
        self._until = inf
        self._since = 0.0
        self._answered = 0
        self._woken = 0.0
        self._rate = 0.0
        self._quiet = Event()
        self._timer = Timer(self._wake)

    @property
    def under_way(self) -> int:
        """Requests sent and not yet answered."""
        return len(self._senders) - len(self._idle)

    def run(self, arrivals: Iterator[float], rate: float) -> None:
        """Send by `arrivals` (moments of `time.perf_counter()`), of `rate` a second, from now on.

        `rate` tells a burst of answers from as many as are to be expected.
        """
        self._arrivals, self._rate = arrivals, rate
        self._woken, self._answered = perf_counter(), 0
        self._next = next(arrivals, inf)
        self._timer.at(self._next)

    def count_from(self, since: float) -> None:
        """Count anew, and only what is intended for `since` or later."""
        self.sent, self._since = ScheduleStats(), since

    def end(self, until: float) -> None:
        """Send nothing that is intended for `until` or later; what was said before still holds.

        A later end would find the timer off, and what lies between would wait for nobody.
        """
        self._until = min(self._until, until)

    def drain(self, timeout: float) -> None:
        """Wait until all that was to be sent is sent and answered, `timeout` seconds at most.

        What could not even be sent by then counts as skipped.
        """
        over = perf_counter() + timeout
        while self._next < self._until and perf_counter() < over:
            gevent.sleep(LATE_S)
        self._give_up()
        self._quiet.clear()
        if self.under_way and self.broken is None:
            self._quiet.wait(max(over - perf_counter(), 0))

    def close(self) -> None:
        """Stop, whatever is under way, and give everything back."""
        self._next = inf
        self._timer.close()
        gevent.killall(self._greenlets)
        for sender in self._senders:
            sender.close()
        self._senders.clear()
        self._idle.clear()

    def _give_up(self) -> None:
        while self._next < self._until < inf:
            self.sent.intended += self._next >= self._since
            self.sent.skipped += self._next >= self._since
            self._next = next(self._arrivals, inf)

    # -- in the hub -------------------------------------------------------------------------

    def _wake(self) -> None:
        now = perf_counter()
        if self._next < self._until and self._next <= now:
            self._note_lag(now)
        if now - self._trimmed > IDLE_AT_MOST:
            self._trim(now)
        for _ in range(BATCH):
            intended = self._next
            if intended > now or intended >= self._until:
                break
            self._next = next(self._arrivals, inf)
            self._send(intended, now)
            now = perf_counter()
        if self._next < self._until:
            self._timer.at(self._next)
        else:
            self._timer.off()

    def _trim(self, now: float) -> None:
        """Close what was not needed since the last time; the last one idle is used first."""
        for _, sender in self._idle[: self._unused]:
            sender.close()
        self._unused, self._trimmed = len(self._idle), now

    def _note_lag(self, now: float) -> None:
        expected = self._rate * (now - self._woken)
        if self._answered <= 2 * expected + BATCH and self._next >= self._since:
            self.sent.lag.record((now - self._next) * 1e6)
        self._woken, self._answered = now, 0

    def _send(self, intended: float, now: float) -> None:
        able = bool(self._idle) or len(self._senders) < self._bound
        if intended >= self._since:
            sent = self.sent
            sent.intended += 1
            sent.late += able and now - intended > LATE_S
            sent.skipped += not able
        if self._idle:
            greenlet, _ = self._idle.pop()
            self._unused = min(self._unused, len(self._idle))
            greenlet.switch(intended)
        elif able:
            self._hire(intended)

    def _hire(self, intended: float) -> None:
        sender = self._make()
        self._senders.append(sender)
        self._greenlets.append(gevent.spawn(self._work, sender, intended))

    # -- in a greenlet of a sender ----------------------------------------------------------

    def _work(self, sender: Sender, intended: float) -> None:
        me, wait, send = (getcurrent(), sender), get_hub().switch, sender.send
        try:
            while True:
                send(intended)
                self._answered += 1
                self._idle.append(me)
                if len(self._idle) == len(self._senders):
                    self._quiet.set()
                intended = wait()
        except Exception as error:
            self.broken = self.broken or error
            self._quiet.set()


def drain(lanes: Sequence[OpenLoop], timeout: float) -> None:
    """Wait until every lane has its answers, `timeout` seconds at most."""
    until = perf_counter() + timeout
    for lane in lanes:
        lane.drain(until - perf_counter())
