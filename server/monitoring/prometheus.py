"""The text that Prometheus reads: requests, the event loop, the Python process."""

from __future__ import annotations

from functools import cache

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest

from server.monitoring.metrics import RequestMetrics
from watch import LoopWatch

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@cache
def _python_registry() -> CollectorRegistry:
    """Return what the client library collects of a Python process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def exposition(metrics: RequestMetrics, watch: LoopWatch) -> bytes:
    """Return all metrics of this process in Prometheus's text format."""
    python = generate_latest(_python_registry()).decode()
    return "\n".join([*metrics.expose(), *watch.expose(), python]).encode()
