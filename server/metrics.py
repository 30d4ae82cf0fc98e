"""Counts of what a process has answered, and how long that took, for Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

BOUNDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip
"""Upper bounds of the buckets, in seconds."""


def _text(bound: float) -> str:
    return f"{bound:g}"


class Histogram:
    """Seconds, counted in buckets; the text of its labels is made once."""

    __slots__ = ("_bounds", "_lines", "_name", "_plain", "counts", "total")

    def __init__(self, name: str, labels: str = "", bounds: Sequence[float] = BOUNDS) -> None:
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        self._bounds = bounds
        self._name = name
        self._plain = f"{{{labels}}}" if labels else ""
        lead = f"{labels}," if labels else ""
        self._lines = [f'{name}_bucket{{{lead}le="{le}"}} ' for le in (*map(_text, bounds), "+Inf")]

    def observe(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds

    def expose(self) -> Iterator[str]:
        """Yield the lines of Prometheus's text format."""
        cumulated = 0
        for line, count in zip(self._lines, self.counts, strict=True):
            cumulated += count
            yield f"{line}{cumulated}"
        yield f"{self._name}_sum{self._plain} {self.total!r}"
        yield f"{self._name}_count{self._plain} {cumulated}"


REQUESTS = "windtunnel_request_seconds"


class Metrics:
    """Histograms of requests by store, operation and status class; how many are in flight."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._series: dict[tuple[str, str, int], Histogram] = {}

    def observe(self, store: str, operation: str, status: int, seconds: float) -> None:
        """Count an answer."""
        key = (store, operation, status // 100)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = Histogram(
                REQUESTS,
                f'store="{store}",operation="{operation}",status="{status // 100}xx"',
            )
        series.observe(seconds)

    def expose(self) -> Iterator[str]:
        """Yield the lines of Prometheus's text format."""
        yield f"# HELP {REQUESTS} From the request's arrival to its answer, by the handler."
        yield f"# TYPE {REQUESTS} histogram"
        for series in self._series.values():
            yield from series.expose()
        yield "# HELP windtunnel_requests_in_flight Requests that wait for their answer."
        yield "# TYPE windtunnel_requests_in_flight gauge"
        yield f"windtunnel_requests_in_flight {self.in_flight}"
