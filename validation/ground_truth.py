"""The truth about response times, from what a proxy saw: pure functions.

A response time begins when a request was *meant* to be sent, which nobody tells the proxy. But a
schedule is known up to its phase: request i is meant for `begin + meant[i]`, `i / rate` where they
are constant, and what the seed says where they are random. None comes before it was meant to, so
`begin` is the least of `arrival - meant[i]`. That is too late by the least time from generator to
proxy, some 0.1 ms; no answer of the generator's enters into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from validation.proxy import ProxiedRequest
from validation.verdict import ExperimentError
from windtunnel.recording.histogram import QUANTILES, Histogram, nearest_rank

SHARE, NEAR_US, RANKS = 0.02, 1000.0, 0.003
"""A found percentile may be off by 2 %, or by 1 ms, or by 0.3 points of rank."""


def cells(seen: Sequence[ProxiedRequest], store: str) -> list[list[ProxiedRequest]]:
    """The reads of each cell: each begins with a population, put in one request."""
    found: list[list[ProxiedRequest]] = []
    for request in sorted(seen, key=lambda each: each.arrived):
        verb, path, _ = request.line.split(" ", 2)
        if verb == "PUT" and path == f"/{store}/records":
            found.append([])
        elif verb == "GET" and path.startswith(f"/{store}/records/") and found:
            found[-1].append(request)
    return found


def responses(
    reads: Sequence[ProxiedRequest], schedule: Iterable[float], counted: int
) -> list[float]:
    """The response times, in microseconds, of the last `counted` reads of a cell.

    `schedule` has the moment for which each was meant, from the first one of the warm-up on.

    These are the measured ones: the schedule goes on without a gap from the warm-up to the end.
    Raises ExperimentError where the proxy saw too few.
    """
    if len(reads) < counted:
        raise ExperimentError(f"{counted} were counted, {len(reads)} came to the proxy")
    meant = list(zip(reads, schedule, strict=False))
    begin = min(read.arrived - moment for read, moment in meant)
    times = [(read.answered - begin - moment) * 1e6 for read, moment in meant]
    return times[len(times) - counted :]


def at(times: Sequence[float], q: float) -> float:
    """The nearest-rank percentile of sorted times."""
    return times[min(nearest_rank(len(times), q), len(times)) - 1]


def near(found: float, times: Sequence[float], q: float) -> bool:
    """Whether a found percentile is true of sorted times within the bounds above."""
    truth = at(times, q)
    if abs(found - truth) <= max(SHARE * truth, NEAR_US):
        return True
    return at(times, q - RANKS) <= found <= at(times, q + RANKS)


def reportable(histogram: Histogram) -> Iterator[tuple[str, float]]:
    """The percentiles that so many samples allow, by name."""
    for name, q in QUANTILES.items():
        if histogram.enough(q):
            yield name, q
