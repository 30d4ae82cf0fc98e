"""One server process observed during a test: its event loop, and the latency of a bystander."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import Final

import msgspec

from windtunnel.client.address import Address
from windtunnel.client.client import Client
from windtunnel.client.deadlines import Deadlines
from windtunnel.live.window import KEPT_S, WINDOW_S
from windtunnel.recording.histogram import Histogram, merge, nearest_rank
from windtunnel.runner.bystander import Bystander
from windtunnel.workload.arrivals import Share

PATH: Final = "/loop"
TIMEOUT_S: Final = 10.0

BYSTANDER_RATE: Final = 10.0
"""Requests per second; half of a cell's, as a test lasts longer than a cell."""

TURNS: Final = 8
"""How many bystanders take turns in sending."""


class _LagHistogram(msgspec.Struct):
    le_s: list[float]
    counts: list[int]


class _LoopStatistics(msgspec.Struct):
    elapsed_s: float
    busy_s: float
    lag: _LagHistogram
    connections: int | None = None


_decode = msgspec.json.Decoder(_LoopStatistics).decode


def _parse_loop(body: bytes) -> _LoopStatistics | None:
    try:
        return _decode(body)
    except msgspec.MsgspecError:
        return None


@dataclass(frozen=True, slots=True)
class ProcessSecond:
    """What the charts show of a process at one second.

    p99 of the last `WINDOW_S` seconds, the share of the last second in which the event loop was
    busy, open connections. `lag_p99_ms` is the upper bound of one of the server's own buckets.
    """

    lag_p99_ms: float | None = None
    busy: float | None = None
    connections: int | None = None
    bystander_p99_ms: float | None = None


PROCESS_FIELDS: Final = tuple(field.name for field in fields(ProcessSecond))


class ServerProbe:
    """Polls one process and sends it the requests of a bystander.

    Raises OSError or ValueError for an invalid URL.
    """

    def __init__(self, url: str, index: int) -> None:
        self.url = url
        self.name = url.partition("://")[2].rstrip("/")
        self.pool: str | None = None
        self.pid: int | None = None
        self.pids: set[int] = set()
        """All processes that answered at this address since it was added."""
        self.is_active = False
        self.bystander = Bystander(url, BYSTANDER_RATE, TIMEOUT_S, Share(index % TURNS, TURNS))
        self.seconds: dict[int, ProcessSecond] = {}
        self._client = Client(Address(url), Deadlines(TIMEOUT_S))
        self._process = ""
        self._loops: deque[_LoopStatistics] = deque(maxlen=WINDOW_S + 1)
        self._bystander_latencies: deque[Histogram] = deque(maxlen=WINDOW_S)
        self._scheduled = 0

    def start(self) -> None:
        """Begin to send."""
        self.is_active, self.pids = True, set()
        self.bystander.run()

    def stop(self) -> None:
        """Send no more, as the process left the split; what it refused meanwhile is not counted."""
        self.is_active = False
        self.bystander.pause(max(self._scheduled, self.bystander.times.count))
        self._client.close()
        self._loops.clear()
        self._bystander_latencies.clear()

    def close(self) -> None:
        """Stop at once."""
        self.is_active = False
        self.bystander.loop.close()
        self._client.close()

    def poll(self) -> None:
        """Read the statistics of its event loop, and keep them for the second of the answer."""
        answer = self._client.request("GET", PATH)
        self._bystander_latencies.append(self.bystander.take())
        is_answered = bool(answer.status) and self.is_active
        if is_answered:
            self._identify(answer.header(b"X-Process").decode("latin-1"))
        loop = _parse_loop(answer.body) if is_answered and answer.status == 200 else None
        if loop is None:
            self._loops.clear()
        else:
            self._loops.append(loop)
        at = int(time.time())
        self.seconds[at] = self._current(is_fresh=loop is not None)
        self.seconds.pop(at - KEPT_S, None)

    def lag_counts(self) -> Sequence[int]:
        """Return the event-loop lags of the window, counted by the buckets of `lag_bounds_s`."""
        if len(self._loops) < 2:
            return ()
        pairs = zip(self._loops[-1].lag.counts, self._loops[0].lag.counts, strict=True)
        return [last - first for last, first in pairs]

    @property
    def lag_bounds_s(self) -> Sequence[float]:
        """Upper bounds of the buckets of lag, in seconds."""
        return self._loops[-1].lag.le_s if self._loops else ()

    def busy(self) -> float | None:
        """Return the share of the window in which its event loop was busy."""
        return _busy(self._loops[0], self._loops[-1]) if len(self._loops) > 1 else None

    def bystander_latencies(self) -> Histogram:
        """Return the bystander's response times in the window."""
        return merge(self._bystander_latencies)

    def _identify(self, process: str) -> None:
        """Note which process answered, by its `X-Process` header: `fast-10001-<pid>`."""
        self._scheduled = self.bystander.loop.stats.scheduled
        if process == self._process:
            return
        self._loops.clear()  # it restarted, or several share this address
        self._process = process
        pool, _, rest = process.partition("-")
        self.pool = self.pool or pool or None
        pid = rest.rpartition("-")[2]
        self.pid = int(pid) if pid.isdecimal() else None
        self.pids |= {self.pid} if self.pid else set()

    def _current(self, *, is_fresh: bool) -> ProcessSecond:
        return ProcessSecond(
            lag_p99_ms(self.lag_bounds_s, self.lag_counts()),
            self._last_busy() if is_fresh else None,
            self._loops[-1].connections if self._loops else None,
            self.bystander_latencies().quantile_ms(0.99),
        )

    def _last_busy(self) -> float | None:
        """Return the share since the poll before."""
        return _busy(self._loops[-2], self._loops[-1]) if len(self._loops) > 1 else None


def _busy(first: _LoopStatistics, last: _LoopStatistics) -> float:
    return round((last.busy_s - first.busy_s) / (last.elapsed_s - first.elapsed_s), 3)


def lag_p99_ms(bounds_s: Sequence[float], counts: Sequence[int]) -> float | None:
    """Return the upper bound in ms of the bucket that holds p99, None without any sample."""
    ranks = list(accumulate(counts))
    if not ranks or not ranks[-1]:
        return None
    bucket = bisect_left(ranks, nearest_rank(ranks[-1], 0.99))
    return round(1000 * bounds_s[min(bucket, len(bounds_s) - 1)], 3)
