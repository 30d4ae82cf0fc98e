"""Interleaved pairs: how often is a difference reported where there is none, and where there is?

A comparison is six rounds in each of which both variants are measured once, in shuffled order, and
is judged as `windtunnel compare` does. All come out of one run, six rounds after six.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

import msgspec

from benchmarks.harness import Check, ExperimentError
from benchmarks.processes import server_process
from validation.measurement import measure
from validation.proxy_process import proxy_process
from windtunnel.analysis.compare import compare
from windtunnel.analysis.stats import MIN_ROUNDS
from windtunnel.analysis.summary import Comparison, Outcome
from windtunnel.recording.results import Run

COMPARISONS, QUICK_COMPARISONS = 20, 5
SERVICE_S, ADDED_SHARE = 0.020, 0.10
USERS = 4


def aa(quick: bool) -> Iterator[Check]:
    """One store against itself."""
    count, limit = (QUICK_COMPARISONS, 1) if quick else (COMPARISONS, 3)
    with server_process() as (_, port):
        url = f"http://127.0.0.1:{port}"
        comparisons = measure_comparisons(url, url, count, seconds=0.3)
    differences = sum(c.outcome in {Outcome.FASTER, Outcome.SLOWER} for c in comparisons)
    yield Check(
        f"A/A: differences in {count} comparisons",
        str(differences),
        f"at most {limit}",
        differences <= limit,
        expected="none",
        note=describe_ratios(comparisons),
    )


def ab(quick: bool) -> Iterator[Check]:
    """A store of 20 ms service time against the same with a tenth more."""
    count, limit = (QUICK_COMPARISONS, 4) if quick else (COMPARISONS, 18)
    slower_s = SERVICE_S * (1 + ADDED_SHARE)
    with (
        server_process() as (_, port),
        proxy_process(port, "delay", SERVICE_S) as baseline,
        proxy_process(port, "delay", slower_s) as slower,
    ):
        comparisons = measure_comparisons(baseline.url, slower.url, count, seconds=0.4)
    detections = sum(comparison.outcome is Outcome.SLOWER for comparison in comparisons)
    yield Check(
        f"A/B: slower in {count} comparisons",
        str(detections),
        f"at least {limit}",
        detections >= limit,
        expected=f"all, by 10 % of {SERVICE_S * 1000:g} ms",
        note=describe_ratios(comparisons),
    )


def measure_comparisons(url: str, against: str, count: int, seconds: float) -> list[Comparison]:
    """Compare the p50 of read `count` times, in cells of `seconds`; raises ExperimentError."""
    rounds = count * MIN_ROUNDS
    options = ("--against", against, "--rounds", str(rounds), "--duration", str(seconds))
    run = measure(url, *options, "--warmup", "0.1", "--users", str(USERS)).run
    return [_comparison(run, first) for first in range(1, rounds, MIN_ROUNDS)]


def describe_ratios(comparisons: list[Comparison]) -> str:
    """The range and the median of the ratios."""
    ratios = [comparison.ratio for comparison in comparisons if comparison.ratio is not None]
    return f"ratio {min(ratios):.2f} to {max(ratios):.2f}, median {median(ratios):.2f}"


def _comparison(run: Run, first: int) -> Comparison:
    """Compare the variants of a run in six rounds from `first` on."""
    cells = [cell for cell in run.cells if first <= cell.round < first + MIN_ROUNDS]
    rounds = msgspec.structs.replace(run, cells=cells)
    for comparison in compare(rounds).comparisons:
        is_read_p50 = (comparison.operation, comparison.metric) == ("read", "p50")
        if is_read_p50 and comparison.ratio is not None:
            return comparison
    raise ExperimentError(f"rounds {first} to {first + MIN_ROUNDS - 1} give no comparison")
