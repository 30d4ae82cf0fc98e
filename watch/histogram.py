"""A histogram of seconds in Prometheus's text format, cheap to fill."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence


class PrometheusHistogram:
    """Seconds, counted in buckets up to `bounds`; the text of its labels is made once."""

    __slots__ = ("_bounds", "_labels", "_name", "_prefixes", "counts", "total")

    def __init__(self, name: str, bounds: Sequence[float], labels: str = "") -> None:
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        self._bounds = bounds
        self._name = name
        self._labels = f"{{{labels}}}" if labels else ""
        lead = f"{labels}," if labels else ""
        limits = (*(f"{bound:g}" for bound in bounds), "+Inf")
        self._prefixes = [f'{name}_bucket{{{lead}le="{limit}"}} ' for limit in limits]

    def observe(self, seconds: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds

    def expose(self) -> Iterator[str]:
        """Yield the lines of Prometheus's text format."""
        cumulative = 0
        for prefix, count in zip(self._prefixes, self.counts, strict=True):
            cumulative += count
            yield f"{prefix}{cumulative}"
        yield f"{self._name}_sum{self._labels} {self.total!r}"
        yield f"{self._name}_count{self._labels} {cumulative}"
