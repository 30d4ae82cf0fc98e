"""When requests are scheduled under open load: pure functions of rate, share and seed.

Times are seconds from the start, ascending, without an end. A share is what one open loop sends of
a total rate: the loops of all workers and stores together send all of it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final, Literal

Arrivals = Literal["constant", "poisson"]
ARRIVALS: Final[tuple[Arrivals, ...]] = ("constant", "poisson")


@dataclass(frozen=True, slots=True)
class Share:
    """Part `index` (from 0) of `parts` equal ones."""

    index: int = 0
    parts: int = 1


WHOLE: Final = Share()


def arrivals(
    kind: Arrivals, rate: float, seed: int | str, share: Share = WHOLE, stream: str = ""
) -> Iterator[float]:
    """Return the times of one share of a total of `rate` requests a second; rate > 0."""
    if kind == "poisson":
        return poisson(rate, seed, share, stream)
    return constant(rate, share)


def constant(rate: float, share: Share = WHOLE) -> Iterator[float]:
    """Evenly spaced times; the shares take turns, so that the total is evenly spaced too."""
    return ((step * share.parts + share.index) / rate for step in count())


def poisson(
    rate: float, seed: int | str, share: Share = WHOLE, stream: str = ""
) -> Iterator[float]:
    """Exponential gaps; the shares are independent, so that the total is Poisson too."""
    gap = random.Random(f"arrivals{stream}:{seed}:{share.index}:{share.parts}").expovariate
    time = 0.0
    while True:
        time += gap(rate / share.parts)
        yield time
