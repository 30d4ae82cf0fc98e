"""Stalls and other shapes: are reported response times those that the server caused?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from validation import ground_truth, processes
from validation.measurement import STORE, measure, reads, response, service
from validation.proxy import ProxiedRequest
from validation.verdict import ExperimentError, Verdict, ms
from windtunnel.recording.histogram import Histogram
from windtunnel.recording.results import Cell
from windtunnel.recording.streams import SampledRequest
from windtunnel.workload.arrivals import Arrivals, arrivals

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


def compared(shape: Shape, cells: Sequence[Loaded]) -> Iterator[Verdict]:
    """Compare each percentile of the response times in `cells` with what was so."""
    found = response([each.cell for each in cells])
    times = sorted(time for each in cells for time in _truth(shape, each))
    closed = _closed(shape)
    beside = dict(ground_truth.reportable(closed))
    for name, q in ground_truth.reportable(found):
        reported, truth = found.quantile(q), ground_truth.at(times, q)
        told = ms(closed.quantile(q)) if name in beside else "n/a"
        yield Verdict(
            f"{shape.name}: response {name}",
            ms(truth),
            ms(reported),
            BOUND,
            ground_truth.near(reported, times, q),
            f"closed: {told}",
        )


@dataclass(frozen=True, slots=True)
class Loaded:
    """A cell, what the run kept of it, and its reads as the proxy `seen` them.

    Those of the warm-up come first.
    """

    cell: Cell
    seen: Sequence[ProxiedRequest]
    samples: Sequence[SampledRequest]

    @property
    def measured(self) -> Sequence[ProxiedRequest]:
        """Those that are counted, the last ones, but for one of each closed user's at the end."""
        end = len(self.seen) - (self.cell.users or 0)
        return self.seen[end - reads(self.cell).count : end]


def opened(shape: Shape) -> list[Loaded]:
    """Measure open load through the harm; return the cells that count."""
    options = ["--rate", f"{shape.rate:g}", "--rounds", str(shape.rounds), "--seed", str(SEED)]
    options += ["--poisson"] * (shape.arrivals == "poisson")
    return loaded(shape.harm, *options, "--duration", f"{shape.seconds:g}")


def loaded(harm: tuple[str, *tuple[float, ...]], *options: str) -> list[Loaded]:
    """Measure through a harm; return the cells that count. Raises ExperimentError."""
    with processes.server() as port, processes.proxy(port, *harm) as harmed:
        run, samples = measure(harmed.url, *options)
        seen = ground_truth.cells(harmed.seen(), STORE)
    if len(seen) != len(run.cells):
        raise ExperimentError(f"{len(run.cells)} cells are on disk, the proxy saw {len(seen)}")
    every = list(map(Loaded, run.cells, seen, _samples_of(seen, samples)))
    return [each for each in every if each.cell.void is None]


def _samples_of(
    cells: Sequence[Sequence[ProxiedRequest]], samples: Sequence[SampledRequest]
) -> list[list[SampledRequest]]:
    """The samples of each cell, joined by request id; raises ExperimentError for a stranger."""
    homes = {read.request_id: place for place, seen in enumerate(cells) for read in seen}
    found: list[list[SampledRequest]] = [[] for _ in cells]
    for sample in samples:
        if sample.request_id not in homes:
            raise ExperimentError(f"the proxy never saw the sampled request {sample.request_id}")
        found[homes[sample.request_id]].append(sample)
    return found


def _truth(shape: Shape, each: Loaded) -> list[float]:
    schedule = arrivals(shape.arrivals, shape.rate, f"{SEED}:{each.cell.round}")
    return ground_truth.responses(each.seen, schedule, each.cell.intended or 0)


def _closed(shape: Shape) -> Histogram:
    options = ("--users", str(USERS), "--rounds", "1", "--duration", str(shape.closed))
    return service([each.cell for each in loaded(shape.harm, *options)])
