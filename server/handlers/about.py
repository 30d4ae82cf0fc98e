"""What the server says of itself to machines: Prometheus's text and the OpenAPI document."""

from __future__ import annotations

from functools import cached_property, lru_cache

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest

from server.api.openapi import document
from server.api.record import encode
from server.handlers.base import Handler

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class _Registry:
    """What the client library knows of a Python process."""

    @cached_property
    def registry(self) -> CollectorRegistry:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        return registry

    def expose(self) -> str:
        return generate_latest(self.registry).decode()


_python = _Registry()


class MetricsHandler(Handler):
    """The counts of this process."""

    operation = "metrics"

    def get(self) -> None:
        """Answer."""
        process = self.application.process
        lines = [*process.metrics.expose(), *process.watch.expose(), _python.expose()]
        self.answer("\n".join(lines).encode(), PROMETHEUS)


@lru_cache(maxsize=1)
def _document(engines: tuple[str, ...]) -> bytes:
    return encode(document(engines))


class OpenApiHandler(Handler):
    """The routes, for generators of clients."""

    operation = "openapi"

    def get(self) -> None:
        """Answer."""
        stores = self.application.process.stores.values()
        self.answer(_document(tuple(dict.fromkeys(store.engine.name for store in stores))))
