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
from windtunnel.client.deadlines import Deadlines
from windtunnel.recording.histogram import Histogram
from windtunnel.recording.results import BystanderResult, LatencySummary
from windtunnel.runner.cell_order import BYSTANDER_RATE, process_name
from windtunnel.workload.arrivals import Share, constant
from windtunnel.workload.open_loop import OpenLoop, drain

PATH: Final = "/ping"


class Bystander:
    """Light requests to one process, at a steady rate, and their response times."""

    def __init__(self, url: str, rate: float, timeout: float, share: Share) -> None:
        self.process = process_name(url)
        self.pool: str | None = None
        self.times = Histogram()
        self._recent = Histogram()
        self._since = 0.0
        self._rate, self._share = rate, share
        self.loop = OpenLoop(
            partial(_Ping, self, Address(url), Deadlines(timeout)), max(1, int(rate * timeout))
        )

    def run(self) -> None:
        """Begin to send; the processes take turns."""
        times = constant(self._rate * self._share.parts, self._share)
        self.loop.run(_from(perf_counter(), times), self._rate)

    def count_from(self, since: float) -> None:
        """Count anew, and only what is scheduled for `since` or later."""
        self.times, self._since = Histogram(), since
        self.loop.count_from(since)

    def record(self, scheduled: float, done_at: float) -> None:
        """Count a successful response."""
        if scheduled >= self._since:
            self.times.record((done_at - scheduled) * 1e6)
            self._recent.record((done_at - scheduled) * 1e6)

    def take(self) -> Histogram:
        """Return the response times since the last call."""
        histogram, self._recent = self._recent, Histogram()
        return histogram

    def pause(self, scheduled: int) -> None:
        """Send nothing until `run` is called again; `scheduled` is how many requests there were."""
        self.loop.run(iter(()), 0.0)
        self.loop.stats.scheduled = scheduled

    def result(self) -> BystanderResult:
        """Return its entry of a cell; what was skipped or has no response failed."""
        scheduled = self.loop.stats.scheduled
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
        for bystander in self._all:
            bystander.run()

    def count_from(self, since: float) -> None:
        """Count anew, and only what is scheduled for `since` or later."""
        for bystander in self._all:
            bystander.count_from(since)

    def end(self, until: float) -> None:
        """Send nothing that is scheduled for `until` or later."""
        for bystander in self._all:
            bystander.loop.end(until)

    def drain(self, timeout: float) -> None:
        """Wait for the responses, `timeout` seconds at most."""
        drain([bystander.loop for bystander in self._all], timeout)

    def results(self) -> list[BystanderResult]:
        """Return `bystander` of a cell."""
        return [bystander.result() for bystander in self._all]

    def close(self) -> None:
        """Stop at once."""
        for bystander in self._all:
            bystander.loop.close()


class _Ping:
    def __init__(self, bystander: Bystander, target: Address, deadlines: Deadlines) -> None:
        self._bystander = bystander
        self._client = Client(target, deadlines)
        self.close = self._client.close

    def send(self, scheduled: float) -> None:
        response = self._client.request("GET", PATH)
        if response.status == 200 and response.body.strip() == b"pong":
            self._bystander.pool = response.header(POOL_HEADER).decode("latin-1")
            self._bystander.record(scheduled, response.done_at)


def _from(begin: float, times: Iterator[float]) -> Iterator[float]:
    return (begin + time for time in times)
