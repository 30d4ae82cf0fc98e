"""The entry of one store in a table: which figures may be printed, and whether it is ranked."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import ceil

from windtunnel.analysis.estimators import Estimator, GeometricMean, Quantile, Ratio
from windtunnel.analysis.grouping import OperationMeasurements, StoreMeasurements
from windtunnel.analysis.keys import OperationKey, StoreKey
from windtunnel.analysis.metrics import METRICS, PAST_DEADLINE, Metric
from windtunnel.analysis.stats import Bootstrap
from windtunnel.analysis.unanswered import unanswered
from windtunnel.analysis.validity import is_generator_limited
from windtunnel.recording import limits
from windtunnel.recording.histogram import Histogram, decode, merge, samples_needed
from windtunnel.recording.results import OK, Cell

EstimatorOrReason = Estimator | str
"""A figure, or the reason why there is none."""


@dataclass
class TableEntry:
    """A store's figure for each metric, or the reason why there is none."""

    store: StoreKey
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
    def why_unranked(self) -> str | None:
        """Why the store is not ranked in this table, if so."""
        if self.reference:
            return "reference: no database behind it"
        unsuccessful = self.failed + self.skipped
        scheduled = self.samples + unsuccessful
        if unsuccessful > limits.MAX_FAILED_SHARE * scheduled:
            verb = "failed or were skipped" if self.skipped else "failed"
            share = f"{100 * unsuccessful / scheduled:.3g} % of {scheduled:,}"
            return f"{share} {verb} ({self._failures_listed()})"
        return None if self.samples else "no answer was measured"

    @property
    def is_limited(self) -> bool:
        """Whether the generator was the limit in one of its cells."""
        return any(map(is_generator_limited, self.cells))

    def add(self, metric: str, estimator: EstimatorOrReason) -> None:
        """Enter the figure for a metric, or the reason why there is none."""
        self.figures[metric] = estimator if isinstance(estimator, str) else Bootstrap(estimator)

    def _failures_listed(self) -> str:
        counts = self.failures.most_common(3)
        if self.skipped:
            counts.insert(0, ("skipped", self.skipped))
        return ", ".join(f"{name} {count:,}" for name, count in counts)


def operation_entry(
    store: StoreKey, measurements: OperationMeasurements, metrics: list[str]
) -> TableEntry:
    """A store's figures for one operation; CPU and throughput only where it ran alone."""
    cells, skipped = measurements.cells, round(measurements.unanswered)
    entry = TableEntry(store, measurements.samples, measurements.failures, skipped, cells)
    for name in metrics:
        if name == "bystander_p99":
            entry.add(name, _bystander_p99(cells, measurements.pool))
        elif METRICS[name].q is not None:
            entry.add(name, latency_quantile(measurements, METRICS[name]))
        elif not measurements.alone:
            entry.add(name, "other operations ran beside it")
        elif name == "cpu":
            entry.add(name, _cpu_per_request(cells))
        else:
            entry.add(name, _ratio_by_round(cells, _answers))
    return entry


def overall_entry(
    store: StoreKey,
    measurements: StoreMeasurements,
    operations: list[OperationKey],
    metrics: list[str],
) -> TableEntry:
    """A store's figures for a mix as a whole, or for all operations that ran alone."""
    parts, cells = list(measurements.operations.values()), measurements.cells
    failures = sum((part.failures for part in parts), Counter[str]())
    skipped = sum(map(unanswered, cells))
    entry = TableEntry(store, sum(part.samples for part in parts), failures, skipped, cells)
    for name in metrics:
        if name == "bystander_p99":
            entry.add(name, _bystander_p99(cells))
        elif METRICS[name].q is not None:
            entry.add(name, _geometric_mean(measurements, operations, METRICS[name]))
        elif name == "cpu":
            entry.add(name, _cpu_per_request(cells))
        else:
            entry.add(name, _ratio_by_round(cells, _throughput))
    return entry


def latency_quantile(measurements: OperationMeasurements, metric: Metric) -> Quantile | str:
    """A quantile of one latency of an operation, or why there is none."""
    by_round = measurements.latencies[metric.latency].by_round
    return _quantile(by_round, measurements.unsuccessful, metric.q or 0)


def _quantile(
    by_round: dict[int, Histogram], unsuccessful: float, q: float, advice: str = ""
) -> Quantile | str:
    """A quantile; unknown where more than 1-q of all requests were `unsuccessful`.

    `advice` says what would give enough samples.
    """
    total = sum(histogram.count for histogram in by_round.values())
    if round(unsuccessful - (total + unsuccessful) * (1 - q), 6) > 0:
        return PAST_DEADLINE
    needed = samples_needed(q)
    if total < needed:
        return f"needs {needed:,} samples{advice}"
    return Quantile(q, by_round)


def _bystander_p99(cells: list[Cell], pool: str | None = None) -> Quantile | str:
    """Of a pool's bystanders, or of all; where one process alone was loaded, of that one's."""
    histograms: dict[int, list[Histogram]] = {}
    failed = 0
    for cell in cells:
        for bystander in cell.bystander:
            is_of_pool = pool in {None, bystander.pool}
            if not is_of_pool or cell.process not in {None, bystander.process}:
                continue
            failed += bystander.failed
            text = (bystander.response_us and bystander.response_us.histogram) or ""
            try:
                histograms.setdefault(cell.round, []).append(decode(text))
            except ValueError:
                return "a histogram of it cannot be read"
    if not histograms:
        return "no bystander samples"
    merged = {number: merge(parts) for number, parts in histograms.items()}
    by_round = {number: histogram for number, histogram in merged.items() if histogram.count}
    return _quantile(by_round, failed, 0.99, _advice(cells, by_round))


def _advice(cells: list[Cell], by_round: dict[int, Histogram]) -> str:
    """How long cells, or how many rounds, would give p99 the samples it needs."""
    total = sum(histogram.count for histogram in by_round.values())
    if not total:
        return ""
    factor = samples_needed(0.99) / total
    seconds = ceil(factor * sum(cell.seconds for cell in cells) / len(cells))
    return f": measure cells of {seconds:,} s, or {ceil(factor * len(by_round)):,} rounds"


def _geometric_mean(
    measurements: StoreMeasurements, operations: list[OperationKey], metric: Metric
) -> EstimatorOrReason:
    parts = []
    for operation in operations:
        part = measurements.operations.get(operation)
        if part is None or not (part.samples or part.failures):
            return f"no {operation}"
        quantile = latency_quantile(part, metric)
        if isinstance(quantile, str):
            return f"{operation} {quantile}"
        parts.append(quantile)
    mean = GeometricMean(tuple(parts))
    return mean if mean.rounds else "no round has every operation"


def _ratio_by_round(
    cells: Iterable[Cell], measure: Callable[[Cell], tuple[float, float]]
) -> EstimatorOrReason:
    """The ratio of two sums, which `measure` gives of a cell."""
    sums: dict[int, tuple[float, float]] = {}
    for cell in cells:
        numerator, denominator = measure(cell)
        before = sums.get(cell.round, (0.0, 0.0))
        sums[cell.round] = (before[0] + numerator, before[1] + denominator)
    sums = {number: pair for number, pair in sums.items() if pair[1] > 0}
    return Ratio(sums) if sums else "no request was answered"


def _cpu_per_request(cells: list[Cell]) -> EstimatorOrReason:
    measured = [cell for cell in cells if cell.cpu_s.server is not None]
    return _ratio_by_round(measured, _cpu_us) if measured else "the server's CPU was not visible"


def _cpu_us(cell: Cell) -> tuple[float, float]:
    return (cell.cpu_s.server or 0.0) * 1e6, sum(result.count for result in cell.operations)


def _throughput(cell: Cell) -> tuple[float, float]:
    return cell.throughput_rps * cell.seconds, cell.seconds


def _answers(cell: Cell) -> tuple[float, float]:
    return sum(result.count for result in cell.operations if result.outcome == OK), cell.seconds
