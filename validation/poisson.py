"""Arrivals at random: do they come as a Poisson process would, and are their times true?

What comes is judged at the proxy, which knows nothing of the generator's schedule. Before the
server stands a queue that serves one request after the other: under constant arrivals nobody would
wait in it, so what is reported of the waiting is what the randomness of the arrivals made.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from validation import fault_shapes
from validation.fault_shapes import Loaded, Shape
from validation.verdict import Verdict

RATE, SERVED = 50.0, 0.012
"""Requests a second, and seconds that each is served: the queue is busy for 60 % of the time."""

WIDTH = 0.1
"""Seconds of the windows in which arrivals are counted for the index of dispersion."""

KOLMOGOROV, NORMAL = 1.628, 2.576
"""What a true Poisson process exceeds in one of a hundred experiments: the asymptotic critical
value of sqrt(n) D, and that of a standard normal, both sides."""


def poisson(quick: bool) -> Iterator[Verdict]:
    """Requests at random, 50 a second, before a queue that serves one in 12 ms."""
    shape = Shape("poisson", ("queue", SERVED), RATE, 21 if quick else 60.5, 1, 5, "poisson")
    cells = fault_shapes.opened(shape)
    even = fault_shapes.opened(replace(shape, arrivals="constant", seconds=5))
    yield from _judge(moments(cells), moments(even), cells[0].cell.late or 0)
    yield from fault_shapes.compared(shape, cells)


def moments(cells: Sequence[Loaded]) -> Sequence[float]:
    """When the requests of the first cell arrived at the proxy, ascending, in seconds."""
    return [read.arrived for read in cells[0].seen]


def _judge(came: Sequence[float], even: Sequence[float], late: int) -> Iterator[Verdict]:
    number, seconds = len(came) - 1, came[-1] - came[0]
    found, off = number / seconds, NORMAL / math.sqrt(number)
    yield Verdict(
        "poisson: arrivals a second",
        f"{RATE:g}",
        f"{found:.2f}",
        f"{off:.1%}",
        abs(found / RATE - 1) <= off,
        f"{number:,} arrivals, {late:,} sent late",
    )
    most, d = KOLMOGOROV / math.sqrt(number), distance(came, RATE)
    yield Verdict(
        "poisson: gaps, Kolmogorov-Smirnov D",
        "exponential",
        f"{d:.4f}",
        f"at most {most:.4f}",
        d <= most,
        f"constant: {distance(even, RATE):.2f}",
    )
    index, off = dispersion(came, WIDTH), NORMAL * math.sqrt(2 / (seconds // WIDTH - 1))
    yield Verdict(
        f"poisson: dispersion of counts in {WIDTH:g} s",
        "1",
        f"{index:.3f}",
        f"{off:.2f} near",
        abs(index - 1) <= off,
        f"constant: {dispersion(even, WIDTH):.2f}",
    )


def distance(came: Sequence[float], rate: float) -> float:
    """The Kolmogorov-Smirnov distance of the gaps between moments from those at random.

    The greatest difference between their empirical distribution and 1 - exp(-rate x).
    """
    gaps = sorted(later - sooner for sooner, later in pairwise(came))
    number = len(gaps)
    below = [1 - math.exp(-rate * gap) for gap in gaps]
    return max(
        max(share - place / number, (place + 1) / number - share)
        for place, share in enumerate(below)
    )


def dispersion(came: Sequence[float], width: float) -> float:
    """Variance over mean of the counts in whole windows of `width` seconds; 1 if at random."""
    windows = int((came[-1] - came[0]) // width)
    counts = Counter(int((moment - came[0]) // width) for moment in came)
    each = [counts[window] for window in range(windows)]
    mean = sum(each) / windows
    return sum((count - mean) ** 2 for count in each) / (windows - 1) / mean
