"""One store on its way into a table: which figures may be printed, and whether it may be ranked."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bench.estimators import Estimator, GeometricMean, Quantile, Ratio
from bench.results import OK, Cell
from bench.stats import Sampled
from bench.summary import BEYOND_DEADLINE, METRICS
from bench.views import Measured, StoreView, is_reference

FAILED_AT_MOST = 0.001
Either = Estimator | str


@dataclass
class Candidate:
    """What a store brings to a table: a figure for each metric, or the reason there is none."""

    store: str
    samples: int
    failures: Counter[str]
    cells: list[Cell]
    figures: dict[str, Sampled | str] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Failed answers in all."""
        return self.failures.total()

    @property
    def unranked(self) -> str | None:
        """Why the store takes no place in this table, if so."""
        if is_reference(self.store):
            return "reference: no database behind it"
        share = self.failed / max(1, self.samples + self.failed)
        if share > FAILED_AT_MOST:
            asked = f"{self.samples + self.failed:,}"
            names = ", ".join(f"{name} {count:,}" for name, count in self.failures.most_common(3))
            return f"{100 * share:.3g} % of {asked} failed ({names})"
        return None if self.samples else "no answer was measured"

    def bring(self, metric: str, found: Either) -> None:
        """Enter the figure for a metric, or the reason why there is none."""
        self.figures[metric] = found if isinstance(found, str) else Sampled(found)


def of_operation(store: str, measured: Measured, metrics: list[str]) -> Candidate:
    """A store's figures for one operation; CPU and throughput only where it ran alone."""
    found = Candidate(store, measured.together.total, measured.failures, measured.cells)
    for name in metrics:
        per_mille = METRICS[name].per_mille
        if per_mille is not None:
            found.bring(name, _quantile(measured, per_mille))
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
    found = Candidate(store, sum(part.together.total for part in parts), failures, seen.cells)
    for name in metrics:
        per_mille = METRICS[name].per_mille
        if per_mille is not None:
            found.bring(name, _geometric_mean(seen, operations, per_mille))
        elif name == "cpu":
            found.bring(name, _cpu(seen.cells))
        else:
            found.bring(name, _by_round(seen.cells, _throughput))
    return found


def _quantile(measured: Measured, per_mille: int) -> Either:
    total, failed = measured.together.total, measured.failures.total()
    beyond = 1000 - per_mille
    if failed * 1000 > (total + failed) * beyond:
        return BEYOND_DEADLINE
    needed = -(-10_000 // beyond)
    if total < needed:
        return f"needs {needed:,} samples"
    return Quantile(per_mille, measured.by_round)


def _geometric_mean(seen: StoreView, operations: list[str], per_mille: int) -> Either:
    parts = []
    for operation in operations:
        measured = seen.operations.get(operation)
        if measured is None or not (measured.together.total or measured.failures):
            return f"no {operation}"
        part = _quantile(measured, per_mille)
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
