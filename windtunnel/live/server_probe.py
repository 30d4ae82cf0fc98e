"""One server process as seen from beside the load: its event loop, and a bystander's answers."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Final

import msgspec

from windtunnel.client.address import Address
from windtunnel.client.client import Client
from windtunnel.client.timers import Deadlines
from windtunnel.live.window import KEPT, SPAN
from windtunnel.recording.histogram import Histogram, merge
from windtunnel.runner.bystander import Bystander
from windtunnel.workload.arrivals import Share

PATH: Final = "/loop"
PATIENCE: Final = 10.0
"""Seconds that a process gets to answer."""

RATE: Final = 10.0
"""Bystanders' requests a second; half of a cell's, as a test goes on for longer than a cell."""

TURNS: Final = 8
"""Neighbours take turns in sending, so many of them."""


class _LagHistogram(msgspec.Struct):
    le_s: list[float]
    counts: list[int]


class _LoopStatistics(msgspec.Struct):
    elapsed_s: float
    busy_s: float
    lag: _LagHistogram
    connections: int | None = None


_decode = msgspec.json.Decoder(_LoopStatistics).decode


def _loop(body: bytes) -> _LoopStatistics | None:
    try:
        return _decode(body)
    except msgspec.MsgspecError:
        return None


@dataclass(frozen=True, slots=True)
class ProcessSecond:
    """What is drawn of a process in a second; of `SPAN` seconds, but for `connections`, now.

    `busy` is a share of 1. `lag_p99_ms` is the upper end of one of the server's own buckets.
    """

    lag_p99_ms: float | None = None
    busy: float | None = None
    connections: int | None = None
    bystander_p99_ms: float | None = None


class ServerProbe:
    """Raises OSError or ValueError for an address that is none."""

    def __init__(self, url: str, place: int) -> None:
        self.url = url
        self.name = url.partition("://")[2].rstrip("/")
        self.pool: str | None = None
        self.pid: int | None = None
        self.pids: set[int] = set()
        """All that answered here since it came."""
        self.here = False
        self.bystander = Bystander(url, RATE, PATIENCE, Share(place % TURNS, TURNS))
        self.seconds: dict[int, ProcessSecond] = {}
        self._client = Client(Address(url), Deadlines(PATIENCE))
        self._process = ""
        self._loops: deque[_LoopStatistics] = deque(maxlen=SPAN + 1)
        self._pings: deque[Histogram] = deque(maxlen=SPAN)
        self._intended = 0

    def arrive(self) -> None:
        """Begin to send."""
        self.here, self.pids = True, set()
        self.bystander.run()

    def leave(self) -> None:
        """Send no more; what it refused while it went counts for nothing."""
        self.here = False
        self.bystander.pause(max(self._intended, self.bystander.times.count))
        self._client.close()
        self._loops.clear()
        self._pings.clear()

    def close(self) -> None:
        """Stop at once."""
        self.here = False
        self.bystander.lane.close()
        self._client.close()

    def look(self) -> None:
        """Ask how its loop is, and keep that as the second in which it answers."""
        answer = self._client.request("GET", PATH)
        self._pings.append(self.bystander.take())
        known = bool(answer.status) and self.here
        if known:
            self._identify(answer.header(b"X-Process").decode("latin-1"))
        loop = _loop(answer.body) if known and answer.status == 200 else None
        if loop is None:
            self._loops.clear()
        else:
            self._loops.append(loop)
        at = int(time.time())
        self.seconds[at] = self._beside(fresh=loop is not None)
        self.seconds.pop(at - KEPT, None)

    def lag(self) -> Sequence[int]:
        """How late its loop's timer was in the window, by the buckets of `bounds`."""
        if len(self._loops) < 2:
            return ()
        pairs = zip(self._loops[-1].lag.counts, self._loops[0].lag.counts, strict=True)
        return [now - before for now, before in pairs]

    @property
    def bounds(self) -> Sequence[float]:
        """Upper ends of the buckets, in seconds."""
        return self._loops[-1].lag.le_s if self._loops else ()

    def busy(self) -> float | None:
        """The share of the window in which its loop did not wait."""
        if len(self._loops) < 2:
            return None
        first, last = self._loops[0], self._loops[-1]
        return round((last.busy_s - first.busy_s) / (last.elapsed_s - first.elapsed_s), 3)

    def pings(self) -> Histogram:
        """The bystander's response times in the window."""
        return merge(self._pings)

    def _identify(self, process: str) -> None:
        """Take note of who answered, as `X-Process` says: `fast-10001-<pid>`."""
        self._intended = self.bystander.lane.stats.scheduled
        if process == self._process:
            return
        self._loops.clear()  # it was started anew, or there are several behind this address
        self._process = process
        pool, _, rest = process.partition("-")
        self.pool = self.pool or pool or None
        pid = rest.rpartition("-")[2]
        self.pid = int(pid) if pid.isdecimal() else None
        self.pids |= {self.pid} if self.pid else set()

    def _beside(self, *, fresh: bool) -> ProcessSecond:
        return ProcessSecond(
            late(self.bounds, self.lag()),
            self.last_busy() if fresh else None,
            self._loops[-1].connections if self._loops else None,
            p99(self.pings()),
        )

    def last_busy(self) -> float | None:
        """The share since the look before."""
        for before, now in reversed(list(pairwise(self._loops))):
            return round((now.busy_s - before.busy_s) / (now.elapsed_s - before.elapsed_s), 3)
        return None


def p99(histogram: Histogram) -> float | None:
    """Return p99 in milliseconds, by nearest rank, however few there are."""
    return histogram.quantile(0.99) / 1000 if histogram else None


def late(bounds: Sequence[float], counts: Sequence[int]) -> float | None:
    """Return the upper end in milliseconds of the bucket that p99 falls into; None if none is."""
    ranks = list(accumulate(counts))
    if not ranks or not ranks[-1]:
        return None
    place = bisect_left(ranks, 0.99 * ranks[-1])
    return round(1000 * bounds[min(place, len(bounds) - 1)], 3)


def told(second: ProcessSecond | None) -> dict[str, Any]:
    """Return what is told of a process in a second."""
    return dict.fromkeys(FIELDS) if second is None else {n: getattr(second, n) for n in FIELDS}


FIELDS: Final = ("lag_p99_ms", "busy", "connections", "bystander_p99_ms")
