"""Stalls and other shapes: are reported response times those that the server caused?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.histogram import Histogram
from bench.results import Cell
from bench.schedule import Arrivals, arrivals
from bench.truth import known, processes
from bench.truth.measuring import STORE, measure, response, service
from bench.truth.proxy import Seen
from bench.truth.verdict import ExperimentError, Verdict, ms

BOUND = "2 %, 1 ms or 0.3 points"
SEED = 1
USERS = 2
"""Closed users beside: enough to be there at every stall, few enough to leave the machine alone."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A harm, under `rate` requests a second for `seconds` in each of `rounds`."""

    name: str
    harm: tuple[str, *tuple[float, ...]]
    rate: float
    seconds: float
    rounds: int
    closed: float
    """Seconds of closed load beside it."""
    arrivals: Arrivals = "constant"


def stall(quick: bool) -> Iterator[Verdict]:
    """The server stands still for 1 s of every 10 s (quick: 0.3 s of 3 s), at 100 requests/s."""
    if quick:
        return judge(Shape("stall", ("stall", 0.3, 3), 100, 15, 1, 6))
    return judge(Shape("stall", ("stall", 1, 10), 100, 50.5, 2, 20))


def short(quick: bool) -> Iterator[Verdict]:
    """Short stalls often: 30 ms of every 300 ms."""
    return judge(_shape("short stalls", ("stall", 0.03, 0.3), quick))


def humps(quick: bool) -> Iterator[Verdict]:
    """Two humps: nine of ten take 5 ms, the tenth 50 ms."""
    return judge(_shape("two humps", ("humps", 0.005, 0.05, 0.1), quick))


def ramp(quick: bool) -> Iterator[Verdict]:
    """A slow ramp: from nothing to 100 ms in 10 s, and again."""
    return judge(_shape("slow ramp", ("ramp", 0.1, 5 if quick else 10), quick))


def _shape(name: str, harm: tuple[str, *tuple[float, ...]], quick: bool) -> Shape:
    return Shape(name, harm, 200, 10 if quick else 50.5, 1, 5)


def judge(shape: Shape) -> Iterator[Verdict]:
    """Measure open and closed load through the harm; compare the open one with what was so."""
    yield from compared(shape, opened(shape))


def compared(shape: Shape, cells: Sequence[Opened]) -> Iterator[Verdict]:
    """Compare each percentile of the response times in `cells` with what was so."""
    found = response([cell for cell, _ in cells])
    times = sorted(time for cell, seen in cells for time in _truth(shape, cell, seen))
    closed = _closed(shape)
    beside = dict(known.reportable(closed))
    for name, per_mille in known.reportable(found):
        reported, truth = found.quantile(per_mille), known.at(times, per_mille)
        told = ms(closed.quantile(per_mille)) if name in beside else "n/a"
        yield Verdict(
            f"{shape.name}: response {name}",
            ms(truth),
            ms(reported),
            BOUND,
            known.near(reported, times, per_mille),
            f"closed: {told}",
        )


Opened = tuple[Cell, Sequence[Seen]]
"""A cell under open load, and its reads as the proxy saw them, those of the warm-up too."""


def opened(shape: Shape) -> list[Opened]:
    """Measure open load through the harm; return the cells that count."""
    options = ["--rate", f"{shape.rate:g}", "--rounds", str(shape.rounds), "--seed", str(SEED)]
    options += ["--poisson"] * (shape.arrivals == "poisson")
    with processes.server() as port, processes.proxy(port, *shape.harm) as harmed:
        cells = measure(harmed.url, *options, "--duration", str(shape.seconds)).cells
        seen = known.cells(harmed.seen(), STORE)
    if len(seen) != len(cells):
        raise ExperimentError(f"{len(cells)} cells are on disk, the proxy saw {len(seen)}")
    return [(cell, reads) for cell, reads in zip(cells, seen, strict=True) if cell.void is None]


def _truth(shape: Shape, cell: Cell, seen: Sequence[Seen]) -> list[float]:
    schedule = arrivals(shape.arrivals, shape.rate, SEED)
    return known.responses(seen, schedule, cell.intended or 0)


def _closed(shape: Shape) -> Histogram:
    options = ("--users", str(USERS), "--rounds", "1", "--duration", str(shape.closed))
    with processes.server() as port, processes.proxy(port, *shape.harm) as harmed:
        cells = measure(harmed.url, *options).cells
    return service([cell for cell in cells if cell.void is None])
