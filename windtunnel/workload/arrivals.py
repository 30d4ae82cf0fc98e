"""When requests are to be sent under open load: pure functions of rate, share and seed.

Times are seconds from the beginning, ascending, without an end. A share is what one lane sends of
a total rate: the lanes of all workers and stores together send the whole of it.
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
    """Return the times of one share of `rate` requests a second in all; rate > 0."""
    if kind == "poisson":
        return poisson(rate, seed, share, stream)
    return constant(rate, share)


def constant(rate: float, share: Share = WHOLE) -> Iterator[float]:
    """Equal distances; the shares take turns, so that the total has equal distances too."""
    return ((step * share.parts + share.index) / rate for step in count())


def poisson(
    rate: float, seed: int | str, share: Share = WHOLE, stream: str = ""
) -> Iterator[float]:
    """Exponential distances; the shares are independent, so that the total is Poisson too."""
    gap = random.Random(f"arrivals{stream}:{seed}:{share.index}:{share.parts}").expovariate
    at = 0.0
    while True:
        at += gap(rate / share.parts)
        yield at
