"""What the cells of one layout measured of a kind of work, round by round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from windtunnel.analysis.estimators import Quantile, Ratio
from windtunnel.analysis.grouping import cut
from windtunnel.analysis.stats import Bootstrap, IntervalEstimate
from windtunnel.analysis.summary import RESPONSE
from windtunnel.recording.histogram import Histogram, decode, merge
from windtunnel.recording.results import OK, Cell, OperationResult
from windtunnel.recording.streams import Second

DEADLINE_US = 10_000_000
"""What a request that got no right answer counts as: as long as anybody waits for one."""


@dataclass(frozen=True)
class MeasuredWork:
    """One kind of work under one layout; `kind` is the stream of the cells."""

    kind: str
    cells: Sequence[Cell]
    done: Mapping[int, tuple[int, float]]
    """By round: how many were rightly answered within the window, and its seconds."""

    _sampled: dict[object, Bootstrap] = field(default_factory=dict, compare=False)

    def quantile(
        self, per_mille: int, operation: str | None = None, latency: str = RESPONSE
    ) -> IntervalEstimate:
        """A quantile in us, over all rounds."""
        return self.times(per_mille, operation, latency).figure

    @property
    def throughput(self) -> IntervalEstimate:
        """Right answers a second, within the windows."""
        return self.rate.figure

    @property
    def unanswered(self) -> float:
        """The share without a right answer."""
        return 1 - self.right / self.intended if self.intended else 0.0

    @property
    def intended(self) -> int:
        """How many were meant to be sent."""
        return sum(cell.streams[self.kind].intended or 0 for cell in self.cells)

    @property
    def right(self) -> int:
        """How many were rightly answered, however late."""
        return sum(each.count for cell in self.cells for each in self._of(cell, None))

    @cached_property
    def rate(self) -> Bootstrap:
        """Right answers a second, by round."""
        return Bootstrap(Ratio(self.done))

    def times(self, per_mille: int, operation: str | None, latency: str) -> Bootstrap:
        """A quantile by round; what got no right answer counts as `DEADLINE_US`."""
        key = per_mille, operation, latency
        if key not in self._sampled:
            found = {cell.round: self._histogram(cell, operation, latency) for cell in self.cells}
            kept = {number: one for number, one in found.items() if one.count}
            self._sampled[key] = Bootstrap(Quantile(per_mille, kept))
        return self._sampled[key]

    def _histogram(self, cell: Cell, operation: str | None, latency: str) -> Histogram:
        right = self._of(cell, operation)
        times = [each.response_us if latency == RESPONSE else each.service_us for each in right]
        found = merge(decode(each.histogram) for each in times if each and each.histogram)
        whole = sum(each.count for each in self._of(cell, None))
        share = sum(each.count for each in right) / whole if whole else 1.0
        missing = round(((cell.streams[self.kind].intended or whole) - whole) * share)
        if missing <= 0:
            return found
        return merge([found, Histogram({DEADLINE_US: missing})])

    def _of(self, cell: Cell, operation: str | None) -> list[OperationResult]:
        known = cell.streams[self.kind].operations
        return [
            each
            for each in cell.operations
            if each.outcome == OK
            and each.operation in known
            and operation in (None, each.operation)
        ]


def done(
    kind: str, cells: Iterable[Cell], seconds: Iterable[Second]
) -> dict[int, tuple[int, float]]:
    """Right answers within the window of each cell, from the series of its seconds."""
    by_round = {cell.round: cell for cell in cells}
    counts = dict.fromkeys(by_round, 0)
    for each in seconds:
        cell = by_round.get(each.round)
        if cell is not None and cut(each) == cut(cell) and each.second < cell.seconds - 0.5:
            known = cell.streams[kind].operations
            counts[each.round] += sum(
                one.count for one in each.operations if one.outcome == OK and one.operation in known
            )
    return {number: (counts[number], round(cell.seconds)) for number, cell in by_round.items()}
