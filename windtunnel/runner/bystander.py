"""A light request to an innocent route of every process: what the load does to everybody else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from time import perf_counter
from typing import Final

import msgspec

from windtunnel.client.address import Address
from windtunnel.client.api import POOL_HEADER
from windtunnel.client.client import Client
from windtunnel.client.timers import Deadlines
from windtunnel.recording.histogram import Histogram
from windtunnel.recording.results import BystanderResult, LatencySummary
from windtunnel.runner.order import BYSTANDER_RATE, process_name
from windtunnel.workload.arrivals import Share, constant
from windtunnel.workload.open_loop import OpenLoop, drain

PATH: Final = "/ping"


class Bystander:
    """One process as seen by somebody who wants next to nothing from it."""

    def __init__(self, url: str, rate: float, timeout: float, share: Share) -> None:
        self.process = process_name(url)
        self.pool: str | None = None
        self.times = Histogram()
        self._fresh = Histogram()
        self._since = 0.0
        self._rate, self._share = rate, share
        self.lane = OpenLoop(
            partial(_Ping, self, Address(url), Deadlines(timeout)), max(1, int(rate * timeout))
        )

    def run(self) -> None:
        """Begin; the processes take turns."""
        times = constant(self._rate * self._share.parts, self._share)
        self.lane.run(_from(perf_counter(), times), self._rate)

    def count_from(self, since: float) -> None:
        """Count anew, and only what is intended for `since` or later."""
        self.times, self._since = Histogram(), since
        self.lane.count_from(since)

    def note(self, intended: float, done: float) -> None:
        """Take note of a right answer."""
        if intended >= self._since:
            self.times.record((done - intended) * 1e6)
            self._fresh.record((done - intended) * 1e6)

    def take(self) -> Histogram:
        """Return the response times since the last call, to be watched."""
        taken, self._fresh = self._fresh, Histogram()
        return taken

    def pause(self, intended: int) -> None:
        """Send nothing until `run` is called again, and take `intended` as all that was meant."""
        self.lane.run(iter(()), 0.0)
        self.lane.stats.scheduled = intended

    def result(self) -> BystanderResult:
        """Return its entry of a cell; what was skipped or has no answer yet failed."""
        scheduled = self.lane.stats.scheduled
        return BystanderResult(
            process=self.process,
            pool=self.pool,
            intended=scheduled,
            failed=scheduled - self.times.count,
            response_us=msgspec.convert(self.times.as_dict(), LatencySummary),
        )


class Bystanders:
    """One for each process; raises OSError or ValueError for an address that is none.

    Those that `rates` does not name are asked at `rate`.
    """

    def __init__(
        self,
        urls: list[str],
        rate: float = BYSTANDER_RATE,
        timeout: float = 10.0,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        own = rates or {}
        self._all = [
            Bystander(url, own.get(url, rate), timeout, Share(place, len(urls)))
            for place, url in enumerate(urls)
        ]

    def run(self) -> None:
        """Begin."""
        for one in self._all:
            one.run()

    def count_from(self, since: float) -> None:
        """Count anew, and only what is intended for `since` or later."""
        for one in self._all:
            one.count_from(since)

    def end(self, until: float) -> None:
        """Send nothing that is intended for `until` or later."""
        for one in self._all:
            one.lane.end(until)

    def drain(self, timeout: float) -> None:
        """Wait for the answers, `timeout` seconds at most."""
        drain([one.lane for one in self._all], timeout)

    def results(self) -> list[BystanderResult]:
        """Return `bystander` of a cell."""
        return [one.result() for one in self._all]

    def close(self) -> None:
        """Stop at once."""
        for one in self._all:
            one.lane.close()


class _Ping:
    def __init__(self, bystander: Bystander, target: Address, deadlines: Deadlines) -> None:
        self._bystander = bystander
        self._client = Client(target, deadlines)
        self.close = self._client.close

    def send(self, intended: float) -> None:
        answer = self._client.request("GET", PATH)
        if answer.status == 200 and answer.body.strip() == b"pong":
            self._bystander.pool = answer.header(POOL_HEADER).decode("latin-1")
            self._bystander.note(intended, answer.done_at)


def _from(begin: float, times: Iterator[float]) -> Iterator[float]:
    return (begin + time for time in times)
