"""What the handlers know of the process that they run in."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from server.metrics import Metrics
from server.settings import Settings
from server.stores import Stores
from server.stores.catalog import StoreCatalog
from watch import LoopWatch


@dataclass(slots=True, eq=False)
class Process:
    """One server process: what it is called, what it counts, whether it still takes requests."""

    stores: Stores
    settings: Settings
    watch: LoopWatch
    metrics: Metrics = field(default_factory=Metrics)
    draining: bool = False
    sleepers: ThreadPoolExecutor | None = None
    """The threads of `/sleep?mode=threads`, once somebody has asked for it."""
    connected: Callable[[], int | None] = lambda: None
    """How many HTTP connections are open; set by whatever listens."""
    catalogue: StoreCatalog = field(init=False)
    name: str = field(init=False)
    mark: str = field(init=False)
    """What begins the request ids made here; no other process has the same."""

    def __post_init__(self) -> None:
        settings = self.settings
        self.catalogue = StoreCatalog(self.stores, settings)
        self.name = f"{settings.pool}-{settings.port or 'unix'}-{os.getpid()}"
        self.mark = f"{os.getpid():x}{time.time_ns() // 1_000_000:x}-"
