"""Whether the process answers, lives and takes requests: the routes that monitors ask first."""

from __future__ import annotations

from http import HTTPStatus

from server.handlers.base import Handler

TEXT = "text/plain; charset=utf-8"


class PingHandler(Handler):
    """The bystander's route: it needs the event loop and nothing else."""

    operation = "ping"

    def get(self) -> None:
        """Answer."""
        self.respond(b"pong", TEXT)


class HealthHandler(Handler):
    """Whether the process lives."""

    operation = "healthz"

    def get(self) -> None:
        """Answer."""
        self.respond(b'{"status":"ok"}')


class ReadyHandler(Handler):
    """Whether the process takes new requests; a database's client that is wedged is renewed."""

    operation = "readyz"

    async def get(self) -> None:
        """Answer."""
        await self.application.process.catalog.check_clients()
        if self.application.process.draining:
            self.set_status(HTTPStatus.SERVICE_UNAVAILABLE)
            self.respond(b'{"status":"draining"}')
        else:
            self.respond(b'{"status":"ok"}')
