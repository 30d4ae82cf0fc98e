"""Interleaved pairs: how often is a difference found where there is none, and where there is one?

A comparison is six rounds in each of which both variants are measured once, in shuffled order,
judged as `windtunnel compare` judges them. All come out of one run, six rounds after six.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

import msgspec

from validation import processes
from validation.measurement import measure
from validation.verdict import ExperimentError, Verdict
from windtunnel.analysis.compare import compare
from windtunnel.analysis.stats import MIN_ROUNDS
from windtunnel.analysis.summary import Comparison, Outcome
from windtunnel.recording.results import Run

COMPARISONS, QUICK = 20, 5
SERVICE_S, INJECTED = 0.020, 0.10
USERS = 4


def aa(quick: bool) -> Iterator[Verdict]:
    """One store against itself."""
    number, most = (QUICK, 1) if quick else (COMPARISONS, 3)
    with processes.server() as port:
        url = f"http://127.0.0.1:{port}"
        found = compared(url, url, number, seconds=0.3)
    yield Verdict(
        f"A/A: differences in {number} comparisons",
        "none",
        str(differences(found)),
        f"at most {most}",
        differences(found) <= most,
        told(found),
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
        found = compared(one.url, other.url, number, seconds=0.4)
    right = sum(each.outcome is Outcome.SLOWER for each in found)
    yield Verdict(
        f"A/B: slower in {number} comparisons",
        f"each, by 10 % of {SERVICE_S * 1000:g} ms",
        str(right),
        f"at least {least}",
        right >= least,
        told(found),
    )


def compared(one: str, other: str, comparisons: int, seconds: float) -> list[Comparison]:
    """Compare the p50 of read, so many times; raises ExperimentError."""
    rounds = comparisons * MIN_ROUNDS
    options = ("--against", other, "--rounds", str(rounds), "--duration", str(seconds))
    run = measure(one, *options, "--warmup", "0.1", "--users", str(USERS)).run
    return [_comparison(run, first) for first in range(1, rounds, MIN_ROUNDS)]


def differences(found: list[Comparison]) -> int:
    """How many say that one is faster or slower."""
    return sum(each.outcome in {Outcome.FASTER, Outcome.SLOWER} for each in found)


def told(found: list[Comparison]) -> str:
    """The ratios in a few words."""
    ratios = [each.ratio for each in found if each.ratio is not None]
    return f"ratio {min(ratios):.2f} to {max(ratios):.2f}, median {median(ratios):.2f}"


def _comparison(run: Run, first: int) -> Comparison:
    cells = [cell for cell in run.cells if first <= cell.round < first + MIN_ROUNDS]
    some = msgspec.structs.replace(run, cells=cells)
    for each in compare(some).comparisons:
        if (each.operation, each.metric) == ("read", "p50") and each.ratio is not None:
            return each
    raise ExperimentError(f"rounds {first} to {first + MIN_ROUNDS - 1} give no comparison")
