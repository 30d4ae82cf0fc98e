"""Interleaved pairs: how often is a difference found where there is none, and where there is one?

A comparison is six rounds in each of which both variants are measured once, in shuffled order.
All comparisons come out of one run with so many rounds, six after six.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from bench import stats
from bench.estimators import Quantile
from bench.histogram import Histogram, decode
from bench.results import Cell
from bench.runner import AGAINST, BASE
from bench.stats import MIN_ROUNDS, Sampled
from bench.truth import processes
from bench.truth.measuring import measure, reads
from bench.truth.verdict import Verdict

COMPARISONS, QUICK = 20, 5
MEDIAN = 500
SERVICE_S, INJECTED = 0.020, 0.10


def aa(quick: bool) -> Iterator[Verdict]:
    """One store against itself."""
    number, most = (QUICK, 1) if quick else (COMPARISONS, 3)
    with processes.server() as port:
        url = f"http://127.0.0.1:{port}"
        found, ratio = compared(url, url, number, seconds=0.3)
    yield Verdict(
        f"A/A: differences in {number} comparisons",
        "none",
        str(found),
        f"at most {most}",
        found <= most,
        f"median ratio {ratio:.3f}",
    )


def ab(quick: bool) -> Iterator[Verdict]:
    """A store of 20 ms service time against the same with a tenth more."""
    number, least = (QUICK, 4) if quick else (COMPARISONS, 18)
    slower = SERVICE_S * (1 + INJECTED)
    with (
        processes.server() as port,
        processes.proxy(port, "delay", SERVICE_S) as one,
        processes.proxy(port, "delay", slower) as other,
    ):
        found, ratio = compared(one.url, other.url, number, seconds=0.4)
    yield Verdict(
        f"A/B: differences in {number} comparisons",
        f"10 % at {SERVICE_S * 1000:g} ms in each",
        str(found),
        f"at least {least}",
        found >= least,
        f"median ratio {ratio:.3f}",
    )


def compared(one: str, other: str, comparisons: int, seconds: float) -> tuple[int, float]:
    """Return in how many comparisons the p50 of read differs, and the median of the ratios."""
    rounds = comparisons * MIN_ROUNDS
    options = ("--against", other, "--rounds", str(rounds), "--duration", str(seconds))
    cells = measure(one, *options, "--warmup", "0.1", "--users", "4")
    kept = [cell for cell in cells if cell.void is None]
    base, against = _by_round(kept, BASE), _by_round(kept, AGAINST)
    pairs = [_pair(base, against, first) for first in range(1, rounds, MIN_ROUNDS)]
    found = sum(stats.compare(*pair) < stats.LEVEL for pair in pairs)
    return found, median(other.estimate / one.estimate for one, other in pairs)


def _by_round(cells: Sequence[Cell], variant: str) -> dict[int, Histogram]:
    return {
        cell.round: decode(times.histogram or "")
        for cell in cells
        if cell.variant == variant and (times := reads(cell).service_us)
    }


def _pair(
    one: dict[int, Histogram], other: dict[int, Histogram], first: int
) -> tuple[Sampled, Sampled]:
    rounds = range(first, first + MIN_ROUNDS)
    return (
        Sampled(Quantile(MEDIAN, {number: one[number] for number in rounds})),
        Sampled(Quantile(MEDIAN, {number: other[number] for number in rounds})),
    )
