"""Which handler serves a path: two dictionaries instead of a list of patterns."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from server.errors import Forbidden, NotFound, TooLarge
from server.handlers.base import Handler
from server.handlers.catalog import OpenApiHandler, StoresHandler
from server.handlers.health import HealthHandler, PingHandler, ReadyHandler
from server.handlers.index import IndexHandler
from server.handlers.monitoring import LoopHandler, MetricsHandler
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
    """Answers 404 and says what there is instead."""

    operation = "missing"

    def initialize(self, detail: str) -> None:
        """Take the explanation."""
        self.detail = detail

    def prepare(self) -> None:
        """Refuse."""
        raise NotFound(self.detail)


class ForbiddenHandler(Handler):
    """Answers 403 to what the guard refuses."""

    operation = "forbidden"

    def initialize(self, reason: str) -> None:
        """Take the reason."""
        self.reason = reason

    def prepare(self) -> None:
        """Refuse."""
        raise Forbidden(self.reason)


class TooLargeHandler(Handler):
    """Answers 413 to a body that is too large."""

    operation = "too large"

    def initialize(self, limit: int) -> None:
        """Take the limit, in bytes."""
        self.limit = limit

    def prepare(self) -> None:
        """Refuse."""
        raise TooLarge(f"the body has more than {self.limit} bytes")


class Routes:
    """Maps a path to its handler and the handler's arguments."""

    def __init__(self, stores: Mapping[str, Store]) -> None:
        self._stores = stores
        self._targets: dict[str, Target] = {path: (handler, {}) for path, handler in PLAIN.items()}
        self._collections: dict[str, Store] = {}
        for store in stores.values():
            for lead in ("", SLOW):
                prefix = f"{lead}/{store.id}"
                self._targets[f"{prefix}/records"] = (RecordsHandler, {"store": store})
                self._targets[f"{prefix}/summary"] = (SummaryHandler, {"store": store})
                self._collections[f"{prefix}/records"] = store

    def find(self, path: str) -> Target:
        """Return the handler of `path`, MissingHandler for a path that has none."""
        target = self._targets.get(path)
        if target is not None:
            return target
        collection, _, record_id = path.rpartition("/")
        store = self._collections.get(collection)
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
