"""The state of a server process that its handlers share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from server.monitoring.metrics import RequestMetrics
from server.settings import Settings
from server.stores import Stores
from server.stores.catalog import StoreCatalog
from watch import LoopWatch


@dataclass(slots=True, eq=False)
class Process:
    """A server process: its name, stores and metrics, and whether it still takes requests."""

    stores: Stores
    settings: Settings
    watch: LoopWatch
    metrics: RequestMetrics = field(default_factory=RequestMetrics)
    draining: bool = False
    sleep_threads: ThreadPoolExecutor | None = None
    """The threads of `/sleep?mode=threads`, from the first such request on."""
    count_connections: Callable[[], int | None] = lambda: None
    """Returns how many HTTP connections are open; set by the listener."""
    catalog: StoreCatalog = field(init=False)
    name: str = field(init=False)
    id_prefix: str = field(init=False)
    """Begins the request ids made here; no other process has the same."""

    def __post_init__(self) -> None:
        settings = self.settings
        self.catalog = StoreCatalog(self.stores, settings)
        self.name = f"{settings.pool}-{settings.port or 'unix'}-{os.getpid()}"
        self.id_prefix = f"{os.getpid():x}{time.time_ns() // 1_000_000:x}-"
