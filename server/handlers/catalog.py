"""What the server offers: its stores and its routes, as JSON."""

from __future__ import annotations

from functools import lru_cache

from server.api.openapi import document
from server.api.record import encode
from server.handlers.base import Handler


class StoresHandler(Handler):
    """Which stores there are, up or down, each with its ledger."""

    operation = "stores"

    async def get(self) -> None:
        """Answer."""
        self.respond(encode(await self.application.process.catalog.describe()))


@lru_cache(maxsize=1)
def _document(engines: tuple[str, ...]) -> bytes:
    return encode(document(engines))


class OpenApiHandler(Handler):
    """The routes, for generators of clients."""

    operation = "openapi"

    def get(self) -> None:
        """Answer."""
        stores = self.application.process.stores.values()
        self.respond(_document(tuple(dict.fromkeys(store.engine.name for store in stores))))
