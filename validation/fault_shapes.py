"""Stalls and other shapes of a fault: are reported response times those that the server caused?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.harness import Check
from validation import ground_truth
from validation.measurement import in_ms, response_times, service_times
from validation.proxied_cells import FaultArguments, ProxiedCell, measure_cells
from windtunnel.recording.histogram import Histogram
from windtunnel.workload.arrivals import Arrivals, arrivals

SEED = 1
USERS = 2
"""Closed users for comparison: enough to meet every stall, few enough not to load the machine."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A fault, under `rate` requests a second for `seconds` in each of `rounds`."""

    name: str
    fault: FaultArguments
    rate: float
    seconds: float
    rounds: int
    closed_seconds: float
    """Seconds of closed load for comparison."""
    arrivals: Arrivals = "constant"


def stall(quick: bool) -> Iterator[Check]:
    """The server stands still for 1 s of every 10 s (quick: 0.3 s of 3 s), at 100 requests/s."""
    if quick:
        return measure_shape(Shape("stall", ("stall", 0.3, 3), 100, 15, 1, 6))
    return measure_shape(Shape("stall", ("stall", 1, 10), 100, 50.5, 2, 20))


def short(quick: bool) -> Iterator[Check]:
    """Short stalls often: 30 ms of every 300 ms."""
    return measure_shape(_shape("short stalls", ("stall", 0.03, 0.3), quick))


def humps(quick: bool) -> Iterator[Check]:
    """Two humps: nine of ten take 5 ms, the tenth 50 ms."""
    return measure_shape(_shape("two humps", ("humps", 0.005, 0.05, 0.1), quick))


def ramp(quick: bool) -> Iterator[Check]:
    """A slow ramp: from nothing to 100 ms in 10 s, and again."""
    return measure_shape(_shape("slow ramp", ("ramp", 0.1, 5 if quick else 10), quick))


def _shape(name: str, fault: FaultArguments, quick: bool) -> Shape:
    return Shape(name, fault, 200, 10 if quick else 50.5, 1, 5)


def measure_shape(shape: Shape) -> Iterator[Check]:
    """Measure open and closed load through the fault; compare open load with the truth."""
    yield from check_response_times(shape, measure_open_load(shape))


def measure_open_load(shape: Shape) -> list[ProxiedCell]:
    """Measure open load through the fault; return the valid cells."""
    options = ["--rate", f"{shape.rate:g}", "--rounds", str(shape.rounds), "--seed", str(SEED)]
    options += ["--poisson"] * (shape.arrivals == "poisson")
    return measure_cells(shape.fault, *options, "--duration", f"{shape.seconds:g}")


def check_response_times(shape: Shape, cells: Sequence[ProxiedCell]) -> Iterator[Check]:
    """Compare each reported quantile of the response times in `cells` with the truth."""
    reported = response_times([proxied.cell for proxied in cells])
    times_us = sorted(us for proxied in cells for us in _true_response_times_us(shape, proxied))
    closed = _closed_load(shape)
    closed_quantiles = dict(ground_truth.reportable(closed))
    for name, q in ground_truth.reportable(reported):
        closed_us = closed.quantile(q) if name in closed_quantiles else None
        yield Check(
            f"{shape.name}: response {name}",
            in_ms(reported.quantile(q)),
            ground_truth.BOUND,
            ground_truth.is_near(reported.quantile(q), times_us, q),
            expected=in_ms(ground_truth.quantile(times_us, q)),
            note=f"closed: {in_ms(closed_us)}",
        )


def _true_response_times_us(shape: Shape, proxied: ProxiedCell) -> list[float]:
    schedule = arrivals(shape.arrivals, shape.rate, f"{SEED}:{proxied.cell.round}")
    count = proxied.cell.intended or 0
    return ground_truth.response_times_us(proxied.requests, schedule, count)


def _closed_load(shape: Shape) -> Histogram:
    options = ("--users", str(USERS), "--rounds", "1", "--duration", str(shape.closed_seconds))
    return service_times([proxied.cell for proxied in measure_cells(shape.fault, *options)])
