"""Counts of the requests that a process has answered, and how long that took."""

from __future__ import annotations

from collections.abc import Iterator

from watch.histogram import PrometheusHistogram

BOUNDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip
"""Upper bounds of the buckets, in seconds."""

REQUESTS = "windtunnel_request_seconds"


class RequestMetrics:
    """Histograms of requests by store, operation and status class; how many are in flight."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._histograms: dict[tuple[str, str, int], PrometheusHistogram] = {}

    def observe(self, store: str, operation: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        key = (store, operation, status // 100)
        histogram = self._histograms.get(key)
        if histogram is None:
            labels = f'store="{store}",operation="{operation}",status="{status // 100}xx"'
            histogram = self._histograms[key] = PrometheusHistogram(REQUESTS, BOUNDS, labels)
        histogram.observe(seconds)

    def expose(self) -> Iterator[str]:
        """Yield the lines of Prometheus's text format."""
        yield f"# HELP {REQUESTS} From the request's arrival to its answer, by the handler."
        yield f"# TYPE {REQUESTS} histogram"
        for histogram in self._histograms.values():
            yield from histogram.expose()
        yield "# HELP windtunnel_requests_in_flight Requests that wait for their answer."
        yield "# TYPE windtunnel_requests_in_flight gauge"
        yield f"windtunnel_requests_in_flight {self.in_flight}"
