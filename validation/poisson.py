"""Random arrivals: do they come as a Poisson process would, and are their response times true?

Arrivals are judged at the proxy, which knows nothing of the generator's schedule. Before the server
stands a queue that serves one request after the other: under constant arrivals no request would
wait in it, so every wait that is reported comes from the randomness of the arrivals.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from benchmarks.harness import Check
from validation.fault_shapes import Shape, check_response_times, measure_open_load
from validation.proxied_cells import ProxiedCell

RATE, SERVICE_S = 50.0, 0.012
"""Requests a second, and seconds to serve one: the queue is busy for 60 % of the time."""

WINDOW_S = 0.1
"""Seconds of the windows in which arrivals are counted for the index of dispersion."""

KOLMOGOROV, NORMAL = 1.628, 2.576
"""What a true Poisson process exceeds in one of a hundred experiments: the asymptotic critical
value of sqrt(n) D, and that of a standard normal, both sides."""


def poisson(quick: bool) -> Iterator[Check]:
    """Requests at random, 50 a second, before a queue that serves one in 12 ms."""
    shape = Shape("poisson", ("queue", SERVICE_S), RATE, 21 if quick else 60.5, 1, 5, "poisson")
    cells = measure_open_load(shape)
    arrivals = arrival_times_s(cells[0])
    cells_at_constant_rate = measure_open_load(replace(shape, arrivals="constant", seconds=5))
    constant = arrival_times_s(cells_at_constant_rate[0])
    yield _check_rate(arrivals, cells[0].cell.late or 0)
    yield _check_gaps(arrivals, constant)
    yield _check_dispersion(arrivals, constant)
    yield from check_response_times(shape, cells)


def arrival_times_s(cell: ProxiedCell) -> Sequence[float]:
    """When the requests of a cell arrived at the proxy, ascending, in seconds of `perf_counter`."""
    return [read.arrival_s for read in cell.requests]


def _check_rate(arrivals: Sequence[float], late: int) -> Check:
    count = len(arrivals) - 1
    rate, tolerance = count / (arrivals[-1] - arrivals[0]), NORMAL / math.sqrt(count)
    return Check(
        "poisson: arrivals a second",
        f"{rate:.2f}",
        f"{tolerance:.1%}",
        abs(rate / RATE - 1) <= tolerance,
        expected=f"{RATE:g}",
        note=f"{count:,} arrivals, {late:,} sent late",
    )


def _check_gaps(arrivals: Sequence[float], constant: Sequence[float]) -> Check:
    distance = gap_distance(arrivals, RATE)
    limit = KOLMOGOROV / math.sqrt(len(arrivals) - 1)
    return Check(
        "poisson: gaps, Kolmogorov-Smirnov D",
        f"{distance:.4f}",
        f"at most {limit:.4f}",
        distance <= limit,
        expected="exponential",
        note=f"constant: {gap_distance(constant, RATE):.2f}",
    )


def _check_dispersion(arrivals: Sequence[float], constant: Sequence[float]) -> Check:
    seconds = arrivals[-1] - arrivals[0]
    index = dispersion(arrivals, WINDOW_S)
    tolerance = NORMAL * math.sqrt(2 / (seconds // WINDOW_S - 1))
    return Check(
        f"poisson: dispersion of counts in {WINDOW_S:g} s",
        f"{index:.3f}",
        f"within {tolerance:.2f}",
        abs(index - 1) <= tolerance,
        expected="1",
        note=f"constant: {dispersion(constant, WINDOW_S):.2f}",
    )


def gap_distance(arrivals: Sequence[float], rate: float) -> float:
    """The Kolmogorov-Smirnov distance of the gaps between arrivals from an exponential law.

    The greatest difference between their empirical distribution and 1 - exp(-rate x).
    """
    gaps = sorted(later - sooner for sooner, later in pairwise(arrivals))
    count = len(gaps)
    shares = [1 - math.exp(-rate * gap) for gap in gaps]
    return max(
        max(share - index / count, (index + 1) / count - share)
        for index, share in enumerate(shares)
    )


def dispersion(arrivals: Sequence[float], window_s: float) -> float:
    """Variance over mean of the counts in whole windows of `window_s`; 1 for a Poisson process."""
    windows = int((arrivals[-1] - arrivals[0]) // window_s)
    by_window = Counter(int((arrival - arrivals[0]) // window_s) for arrival in arrivals)
    counts = [by_window[window] for window in range(windows)]
    mean = sum(counts) / windows
    return sum((count - mean) ** 2 for count in counts) / (windows - 1) / mean
