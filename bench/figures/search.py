"""Which rate to try next, to find the highest at which objectives hold: pure, and it ends.

Below a rate that fails nothing above is believed, whatever it says: the highest rate that holds is
sought under the lowest that does not. While there is no such rate the search doubles, while none
holds it halves, then it bisects by ratio.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from bench.figures.summary import State

PRECISION = 0.05
STEP = 2.0


@dataclass(frozen=True, slots=True)
class Bracket:
    """What is known: the rate lies from `held` up to `broke`; `why` tells what stopped there."""

    held: float | None
    broke: float | None
    why: State | None


def bracket(outcomes: Mapping[float, State]) -> Bracket:
    """The highest rate that held below the lowest that did not (or of which nothing is known)."""
    broke = min(
        (rate for rate, state in outcomes.items() if state is not State.HOLDS), default=None
    )
    held = max(
        (
            rate
            for rate, state in outcomes.items()
            if state is State.HOLDS and (broke is None or rate < broke)
        ),
        default=None,
    )
    return Bracket(held, broke, None if broke is None else outcomes[broke])


def next_rate(
    outcomes: Mapping[float, State],
    *,
    first: float,
    lowest: float = 1.0,
    highest: float = 1_000_000.0,
    precision: float = PRECISION,
) -> float | None:
    """The next rate to measure, of three digits, from `lowest` to `highest`; None: all is known.

    No rate is asked for twice.
    """
    if not outcomes:
        return readable(min(max(first, lowest), highest), lowest, highest)
    known = bracket(outcomes)
    if known.broke is None:
        wanted = min((known.held or first) * STEP, highest)
    elif known.held is None:
        wanted = max(known.broke / STEP, lowest)
    elif known.broke / known.held <= 1 + precision:
        return None
    else:
        wanted = math.sqrt(known.held * known.broke)
    rate = readable(wanted, lowest, highest)
    return None if rate in outcomes else rate


def readable(rate: float, lowest: float, highest: float) -> float:
    """The rate to three significant digits, and within its bounds."""
    return min(max(float(f"{rate:.3g}"), lowest), highest)
