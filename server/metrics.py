"""Counts of what a process has answered, and how long that took, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from watch.histogram import PrometheusHistogram

BOUNDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip
"""Upper bounds of the buckets, in seconds."""


REQUESTS = "windtunnel_request_seconds"


class Metrics:
    """Histograms of requests by store, operation and status class; how many are in flight."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._series: dict[tuple[str, str, int], PrometheusHistogram] = {}

    def observe(self, store: str, operation: str, status: int, seconds: float) -> None:
        """Count an answer."""
        key = (store, operation, status // 100)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = PrometheusHistogram(
                REQUESTS,
                BOUNDS,
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
