"""One store on its way into a table: which figures may be printed, and whether it may be ranked."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import ceil

from windtunnel.analysis.estimators import Estimator, GeometricMean, Quantile, Ratio
from windtunnel.analysis.grouping import Measured, StoreView, is_generator_limited, unanswered
from windtunnel.analysis.stats import Bootstrap
from windtunnel.analysis.summary import METRICS, PAST_DEADLINE, Metric
from windtunnel.recording import limits
from windtunnel.recording.histogram import Histogram, decode, merge, samples_needed
from windtunnel.recording.results import OK, Cell

Either = Estimator | str


@dataclass
class Candidate:
    """What a store brings to a table: a figure for each metric, or the reason there is none."""

    store: str
    samples: int
    failures: Counter[str]
    skipped: int
    cells: list[Cell]
    reference: bool = False
    figures: dict[str, Bootstrap | str] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Failed answers in all."""
        return self.failures.total()

    @property
    def unranked(self) -> str | None:
        """Why the store takes no place in this table, if so."""
        if self.reference:
            return "reference: no database behind it"
        intended, wrong = self.samples + self.failed + self.skipped, self.failed + self.skipped
        if wrong > limits.FAILED * intended:
            what = "failed or were skipped" if self.skipped else "failed"
            return f"{100 * wrong / intended:.3g} % of {intended:,} {what} ({self._wrong()})"
        return None if self.samples else "no answer was measured"

    @property
    def limited(self) -> bool:
        """Whether the generator was the limit in one of its cells."""
        return any(map(is_generator_limited, self.cells))

    def _wrong(self) -> str:
        named = self.failures.most_common(3)
        skipped = [("skipped", self.skipped)] if self.skipped else []
        return ", ".join(f"{name} {count:,}" for name, count in [*skipped, *named])

    def bring(self, metric: str, found: Either) -> None:
        """Enter the figure for a metric, or the reason why there is none."""
        self.figures[metric] = found if isinstance(found, str) else Bootstrap(found)


def of_operation(store: str, measured: Measured, metrics: list[str]) -> Candidate:
    """A store's figures for one operation; CPU and throughput only where it ran alone."""
    skipped = round(measured.unanswered)
    found = Candidate(store, measured.samples, measured.failures, skipped, measured.cells)
    for name in metrics:
        if name == "bystander_p99":
            found.bring(name, _bystander(measured.cells, measured.pool))
        elif METRICS[name].q is not None:
            found.bring(name, quantile(measured, METRICS[name]))
        elif not measured.alone:
            found.bring(name, "other operations ran beside it")
        elif name == "cpu":
            found.bring(name, _cpu(measured.cells))
        else:
            found.bring(name, _by_round(measured.cells, _answers))
    return found


def overall(store: str, seen: StoreView, operations: list[str], metrics: list[str]) -> Candidate:
    """A store's figures for a mix as a whole, or for all operations that ran alone."""
    parts = list(seen.operations.values())
    failures = sum((part.failures for part in parts), Counter[str]())
    skipped = sum(map(unanswered, seen.cells))
    found = Candidate(store, sum(part.samples for part in parts), failures, skipped, seen.cells)
    for name in metrics:
        if name == "bystander_p99":
            found.bring(name, _bystander(seen.cells))
        elif METRICS[name].q is not None:
            found.bring(name, _geometric_mean(seen, operations, METRICS[name]))
        elif name == "cpu":
            found.bring(name, _cpu(seen.cells))
        else:
            found.bring(name, _by_round(seen.cells, _throughput))
    return found


def quantile(measured: Measured, metric: Metric) -> Either:
    """A quantile of one latency of an operation, or why it cannot be told."""
    found = measured.latencies[metric.latency].by_round
    return _told(found, lost_or_failed(measured), metric.q or 0)


def lost_or_failed(measured: Measured) -> float:
    """How many of an operation's intended requests got no right answer."""
    return measured.failures.total() + measured.unanswered


def _told(by_round: dict[int, Histogram], wrong: float, q: float, lasting: str = "") -> Either:
    """`wrong` failed, was skipped or has no answer: beyond a share of 1-q, q is unknown.

    `lasting` says what would give enough samples.
    """
    total = sum(histogram.count for histogram in by_round.values())
    if round(wrong - (total + wrong) * (1 - q), 6) > 0:
        return PAST_DEADLINE
    needed = samples_needed(q)
    if total < needed:
        return f"needs {needed:,} samples{lasting}"
    return Quantile(q, by_round)


def _bystander(cells: list[Cell], pool: str | None = None) -> Either:
    """Of a pool, or of all; where one process alone was loaded, of that one."""
    histograms: dict[int, list[Histogram]] = {}
    failed = 0
    for cell in cells:
        for seen in cell.bystander:
            if pool not in {None, seen.pool} or cell.process not in {None, seen.process}:
                continue
            failed += seen.failed
            text = (seen.response_us and seen.response_us.histogram) or ""
            try:
                histograms.setdefault(cell.round, []).append(decode(text))
            except ValueError:
                return "a histogram of it cannot be read"
    merged = {number: merge(some) for number, some in histograms.items()}
    clean = {number: histogram for number, histogram in merged.items() if histogram.count}
    if not histograms:
        return "nobody stood by"
    return _told(clean, failed, 0.99, _lasting(cells, clean))


def _lasting(cells: list[Cell], clean: dict[int, Histogram]) -> str:
    """How long cells, or how many rounds, would give p99 the samples it needs."""
    got = sum(histogram.count for histogram in clean.values())
    if not got:
        return ""
    times = samples_needed(0.99) / got
    seconds = ceil(times * sum(cell.seconds for cell in cells) / len(cells))
    return f": cells of {seconds:,} s, or {ceil(times * len(clean)):,} rounds, have these"


def _geometric_mean(seen: StoreView, operations: list[str], metric: Metric) -> Either:
    parts = []
    for operation in operations:
        measured = seen.operations.get(operation)
        if measured is None or not (measured.samples or measured.failures):
            return f"no {operation}"
        part = quantile(measured, metric)
        if isinstance(part, str):
            return f"{operation} {part}"
        parts.append(part)
    mean = GeometricMean(tuple(parts))
    return mean if mean.rounds else "no round has every operation"


def _by_round(cells: Iterable[Cell], measure: Callable[[Cell], tuple[float, float]]) -> Either:
    sums: dict[int, tuple[float, float]] = {}
    for cell in cells:
        above, below = measure(cell)
        before = sums.get(cell.round, (0.0, 0.0))
        sums[cell.round] = (before[0] + above, before[1] + below)
    sums = {number: pair for number, pair in sums.items() if pair[1] > 0}
    return Ratio(sums) if sums else "no request was answered"


def _cpu(cells: list[Cell]) -> Either:
    seen = [cell for cell in cells if cell.cpu_s.server is not None]
    return _by_round(seen, _cpu_us) if seen else "the server's CPU was not visible"


def _cpu_us(cell: Cell) -> tuple[float, float]:
    return (cell.cpu_s.server or 0.0) * 1e6, sum(result.count for result in cell.operations)


def _throughput(cell: Cell) -> tuple[float, float]:
    return cell.throughput_rps * cell.seconds, cell.seconds


def _answers(cell: Cell) -> tuple[float, float]:
    return sum(each.count for each in cell.operations if each.outcome == OK), cell.seconds
