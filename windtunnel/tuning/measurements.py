"""What the cells of one layout measured of a kind of work, round by round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from windtunnel.analysis.estimators import Quantile, Ratio
from windtunnel.analysis.metrics import RESPONSE
from windtunnel.analysis.stats import Bootstrap, IntervalEstimate
from windtunnel.analysis.validity import cell_key
from windtunnel.recording.histogram import Histogram, decode, merge
from windtunnel.recording.results import OK, Cell, OperationResult
from windtunnel.recording.series import Second

DEADLINE_US = 10_000_000
"""What a request that got no successful response counts as: as long as anybody waits for one."""


@dataclass(frozen=True)
class MeasuredWork:
    """One kind of work under one layout; `kind` is the stream of the cells."""

    kind: str
    cells: Sequence[Cell]
    completed: Mapping[int, tuple[int, float]]
    """By round: how many were rightly answered within the window, and its seconds."""

    _sampled: dict[object, Bootstrap] = field(default_factory=dict, compare=False)

    def quantile(
        self, q: float, operation: str | None = None, latency: str = RESPONSE
    ) -> IntervalEstimate:
        """A quantile in us, over all rounds."""
        return self.times(q, operation, latency).interval_estimate

    @property
    def throughput(self) -> IntervalEstimate:
        """Successful responses a second, within the windows."""
        return self.rate.interval_estimate

    @property
    def failed_share(self) -> float:
        """The share without a successful response."""
        return 1 - self.successes / self.intended if self.intended else 0.0

    @property
    def intended(self) -> int:
        """How many were meant to be sent."""
        return sum(cell.streams[self.kind].intended or 0 for cell in self.cells)

    @property
    def successes(self) -> int:
        """How many were rightly answered, however late."""
        return sum(result.count for cell in self.cells for result in self._of(cell, None))

    @cached_property
    def rate(self) -> Bootstrap:
        """Successful responses a second, by round."""
        return Bootstrap(Ratio(self.completed))

    def times(self, q: float, operation: str | None, latency: str) -> Bootstrap:
        """A quantile by round; what got no successful response counts as `DEADLINE_US`."""
        key = q, operation, latency
        if key not in self._sampled:
            histograms = {
                cell.round: self._histogram(cell, operation, latency) for cell in self.cells
            }
            nonempty = {
                number: histogram for number, histogram in histograms.items() if histogram.count
            }
            self._sampled[key] = Bootstrap(Quantile(q, nonempty))
        return self._sampled[key]

    def _histogram(self, cell: Cell, operation: str | None, latency: str) -> Histogram:
        successes = self._of(cell, operation)
        times = [
            result.response_us if latency == RESPONSE else result.service_us for result in successes
        ]
        histogram = merge(decode(t.histogram) for t in times if t and t.histogram)
        answered = sum(result.count for result in self._of(cell, None))
        share = sum(result.count for result in successes) / answered if answered else 1.0
        missing = round(((cell.streams[self.kind].intended or answered) - answered) * share)
        if missing <= 0:
            return histogram
        return merge([histogram, Histogram({DEADLINE_US: missing})])

    def _of(self, cell: Cell, operation: str | None) -> list[OperationResult]:
        operations = cell.streams[self.kind].operations
        return [
            result
            for result in cell.operations
            if result.outcome == OK
            and result.operation in operations
            and operation in (None, result.operation)
        ]


def completed_in_window(
    kind: str, cells: Iterable[Cell], seconds: Iterable[Second]
) -> dict[int, tuple[int, float]]:
    """Successful responses within the window of each cell, from the series of its seconds."""
    by_round = {cell.round: cell for cell in cells}
    counts = dict.fromkeys(by_round, 0)
    for second in seconds:
        cell = by_round.get(second.round)
        if (
            cell is not None
            and cell_key(second) == cell_key(cell)
            and second.second < cell.seconds - 0.5
        ):
            operations = cell.streams[kind].operations
            counts[second.round] += sum(
                result.count
                for result in second.operations
                if result.outcome == OK and result.operation in operations
            )
    return {number: (counts[number], round(cell.seconds)) for number, cell in by_round.items()}
