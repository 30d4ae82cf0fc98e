"""Which handler a path belongs to: two dictionaries instead of a list of patterns."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from server.errors import NotFound, TooLarge
from server.handlers.about import MetricsHandler, OpenApiHandler
from server.handlers.base import Handler
from server.handlers.index import IndexHandler
from server.handlers.probe import (
    HealthHandler,
    LoopHandler,
    PingHandler,
    ReadyHandler,
    StoresHandler,
)
from server.handlers.records import RecordHandler, RecordsHandler, SummaryHandler
from server.handlers.sleep import SleepHandler
from server.stores import Store

Target = tuple[type[Handler], dict[str, Any]]

SLOW = "/slow"

PLAIN: Mapping[str, type[Handler]] = {
    "/sleep": SleepHandler,
    f"{SLOW}/sleep": SleepHandler,
    "/ping": PingHandler,
    "/healthz": HealthHandler,
    "/readyz": ReadyHandler,
    "/stores": StoresHandler,
    "/loop": LoopHandler,
    "/metrics": MetricsHandler,
    "/openapi.json": OpenApiHandler,
    "/": IndexHandler,
}


class MissingHandler(Handler):
    """Says what there is instead of what was asked for."""

    operation = "missing"

    def initialize(self, detail: str) -> None:
        """Take the explanation."""
        self.detail = detail

    def prepare(self) -> None:
        """Refuse."""
        raise NotFound(self.detail)


class TooLargeHandler(Handler):
    """Refuses a body."""

    operation = "too large"

    def initialize(self, limit: int) -> None:
        """Take how large it may be."""
        self.most = limit

    def prepare(self) -> None:
        """Refuse."""
        raise TooLarge(f"the body has more than {self.most} bytes")


class Routes:
    """Path -> handler and what it is initialized with."""

    def __init__(self, stores: Mapping[str, Store]) -> None:
        self._stores = stores
        self._whole: dict[str, Target] = {path: (kind, {}) for path, kind in PLAIN.items()}
        self._items: dict[str, Store] = {}
        for store in stores.values():
            for lead in ("", SLOW):
                prefix = f"{lead}/{store.id}"
                self._whole[f"{prefix}/records"] = (RecordsHandler, {"store": store})
                self._whole[f"{prefix}/summary"] = (SummaryHandler, {"store": store})
                self._items[f"{prefix}/records"] = store

    def find(self, path: str) -> Target:
        """Return the handler of `path`; one that answers 404 where there is none."""
        target = self._whole.get(path)
        if target is not None:
            return target
        collection, _, record_id = path.rpartition("/")
        store = self._items.get(collection)
        if store is not None:
            return RecordHandler, {"store": store, "id": record_id}
        return MissingHandler, {"detail": self._explain(path)}

    def _explain(self, path: str) -> str:
        parts = path.removeprefix(SLOW).strip("/").split("/")
        store_id = "/".join(parts[:3])
        if store_id in self._stores:
            return f"/{store_id} has /records, /records/{{id}} and /summary"
        if len(parts) >= 3 or (parts and parts[0] in {i.partition("/")[0] for i in self._stores}):
            near = difflib.get_close_matches(store_id, self._stores, 3, 0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            return f"there is no store {store_id[:100]!r}{hint} GET /stores lists them all"
        return f"there is nothing at {path[:100]!r}; GET / shows what there is"
