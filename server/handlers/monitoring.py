"""What the process has measured of itself: its metrics, its event loop."""

from __future__ import annotations

from server.api.record import encode
from server.handlers.base import Handler
from server.monitoring.prometheus import CONTENT_TYPE, exposition


class MetricsHandler(Handler):
    """The metrics of this process, for Prometheus."""

    operation = "metrics"

    def get(self) -> None:
        """Answer."""
        process = self.application.process
        self.respond(exposition(process.metrics, process.watch), CONTENT_TYPE)


class LoopHandler(Handler):
    """How late, how busy and how long held the event loop is."""

    operation = "loop"

    def get(self) -> None:
        """Answer."""
        process = self.application.process
        report = process.watch.report(process.settings.loop, process.count_connections())
        self.respond(encode(report))
