"""The page for people: the stores, up or down, what the terms mean, commands to try."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.api.enums import Durability, Mode
from server.api.schemas import StoreEntry
from server.handlers.base import Handler

MODES = {
    Mode.BLOCKING: "the call holds the event loop until the database has answered; everyone waits",
    Mode.THREADS: "the call runs in a thread of an executor; the loop goes on",
    Mode.ASYNC: "the driver awaits natively; the loop goes on",
}

DURABILITIES = {
    Durability.UNACKED: "the write was sent, and no acknowledgement awaited",
    Durability.VOLATILE: "kept in memory only",
    Durability.FAST: "acknowledged before it is on the disk",
    Durability.SAFE: "acknowledged after it is on the disk",
}

ROUTES = {
    "/stores": "every store with its ledger, as JSON",
    "/openapi.json": "the routes, for machines",
    "/metrics": "for Prometheus",
    "/loop": "how late and how busy the event loop is",
    "/readyz": "does it take requests?",
    "/sleep?ms=50": "sleeps, holding the loop; with mode=threads or mode=async without holding it",
}


@dataclass(slots=True)
class Row:
    """An engine at one durability, with the modes that it has there."""

    engine: str
    durability: str
    promise: str
    default: bool
    stores: list[StoreEntry] = field(default_factory=list)

    @property
    def status(self) -> str:
        """The best of its stores' statuses."""
        statuses = {store["status"] for store in self.stores}
        return next(status for status in ("up", "down", "missing") if status in statuses)

    @property
    def description(self) -> str:
        """The database's version where it is up, else why it is not."""
        first = next(store for store in self.stores if store["status"] == self.status)
        return (first["ledger"]["server"] if self.status == "up" else first["detail"]) or ""


def table_rows(stores: list[StoreEntry]) -> list[Row]:
    """Return a row for each engine and durability."""
    rows: dict[tuple[str, str], Row] = {}
    for store in stores:
        key = (store["engine"], store["durability"])
        row = rows.setdefault(key, Row(*key, store["ledger"]["promise"], store["default"]))
        row.stores.append(store)
    return list(rows.values())


class IndexHandler(Handler):
    """The page."""

    operation = "index"

    async def get(self) -> None:
        """Answer."""
        catalog = await self.application.process.catalog.describe()
        stores = catalog["stores"]
        up = [store["id"] for store in stores if store["status"] == "up"]
        page = self.render_string(
            "index.html",
            process=catalog["process"],
            name=self.application.process.name,
            rows=table_rows(stores),
            up=len(up),
            total=len(stores),
            example=next(
                (id_ for id_ in up if id_.startswith("memory/async/")), next(iter(up), "")
            ),
            base=f"http://{self.request.host}",
            modes=MODES,
            durabilities=DURABILITIES,
            routes=ROUTES,
        )
        self.respond(page, "text/html; charset=utf-8")
