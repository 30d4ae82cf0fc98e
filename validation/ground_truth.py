"""The true response times, computed from the requests that a proxy recorded: pure functions.

A response time begins at the scheduled start of a request, which is not on the wire. But a schedule
is known up to its phase: request i starts at `begin + schedule[i]`, `i / rate` where starts are
evenly spaced, and as the seed says where they are random. No request arrives before its scheduled
start, so `begin` is the least of `arrival - schedule[i]`. That is too late by the least time from
generator to proxy, some 0.1 ms; no figure of the generator's is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from benchmarks.harness import ExperimentError
from validation.proxy import ProxiedRequest
from windtunnel.recording.histogram import QUANTILES, Histogram, nearest_rank

SHARE, TOLERANCE_US, RANKS = 0.02, 1000.0, 0.003
BOUND: Final = "2 %, 1 ms or 0.3 points"
"""How far a reported quantile may be off: 2 %, or 1 ms, or 0.3 points of rank."""


def reads_by_cell(requests: Sequence[ProxiedRequest], store: str) -> list[list[ProxiedRequest]]:
    """The reads of each cell; a cell begins where one request puts the whole population."""
    cells: list[list[ProxiedRequest]] = []
    for request in sorted(requests, key=lambda request: request.arrival_s):
        verb, path, _ = request.line.split(" ", 2)
        if verb == "PUT" and path == f"/{store}/records":
            cells.append([])
        elif verb == "GET" and path.startswith(f"/{store}/records/") and cells:
            cells[-1].append(request)
    return cells


def response_times_us(
    reads: Sequence[ProxiedRequest], schedule: Iterable[float], count: int
) -> list[float]:
    """The response times, in microseconds, of the last `count` reads of a cell.

    `schedule` has the scheduled starts in seconds, from the first request of the warm-up on. The
    last reads are the measured ones, as the schedule goes on without a gap from the warm-up to the
    end. Raises ExperimentError where fewer came to the proxy.
    """
    if len(reads) < count:
        raise ExperimentError(f"{count} were counted, {len(reads)} came to the proxy")
    scheduled = list(zip(reads, schedule, strict=False))
    begin = min(read.arrival_s - start for read, start in scheduled)
    times_us = [(read.response_s - begin - start) * 1e6 for read, start in scheduled]
    return times_us[len(times_us) - count :]


def quantile(times: Sequence[float], q: float) -> float:
    """The nearest-rank quantile of sorted times."""
    return times[min(nearest_rank(len(times), q), len(times)) - 1]


def is_near(reported_us: float, times_us: Sequence[float], q: float) -> bool:
    """Whether a reported quantile is that of sorted times, within the bounds above."""
    truth_us = quantile(times_us, q)
    if abs(reported_us - truth_us) <= max(SHARE * truth_us, TOLERANCE_US):
        return True
    return quantile(times_us, q - RANKS) <= reported_us <= quantile(times_us, q + RANKS)


def reportable(histogram: Histogram) -> Iterator[tuple[str, float]]:
    """The quantiles that have enough samples, by name."""
    for name, q in QUANTILES.items():
        if histogram.enough(q):
            yield name, q
