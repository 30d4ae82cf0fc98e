"""Is it there, is it well, what has it got: the routes that monitors and scenarios ask first."""

from __future__ import annotations

from http import HTTPStatus

from server.api.record import encode
from server.handlers.base import Handler

TEXT = "text/plain; charset=utf-8"


class PingHandler(Handler):
    """The innocent bystander: it needs the event loop and nothing else."""

    operation = "ping"

    def get(self) -> None:
        """Answer."""
        self.answer(b"pong", TEXT)


class HealthHandler(Handler):
    """Whether the process lives."""

    operation = "healthz"

    def get(self) -> None:
        """Answer."""
        self.answer(b'{"status":"ok"}')


class ReadyHandler(Handler):
    """Whether the process takes new requests."""

    operation = "readyz"

    def get(self) -> None:
        """Answer."""
        if self.application.process.draining:
            self.set_status(HTTPStatus.SERVICE_UNAVAILABLE)
            self.answer(b'{"status":"draining"}')
        else:
            self.answer(b'{"status":"ok"}')


class StoresHandler(Handler):
    """Which stores there are, up or down, each with its ledger."""

    operation = "stores"

    async def get(self) -> None:
        """Answer."""
        self.answer(encode(await self.application.process.catalogue.describe()))


class LoopHandler(Handler):
    """How late, how busy and how long held the event loop is."""

    operation = "loop"

    def get(self) -> None:
        """Answer."""
        process = self.application.process
        self.answer(encode(process.watch.report(process.settings.loop, process.connected())))
