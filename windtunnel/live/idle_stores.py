"""Stores without a user: closed load with few users leaves some of the chosen stores idle."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import count

log = logging.getLogger("windtunnel")


def warn_of_idle_stores(stores: Sequence[str], users: int, processes: int) -> None:
    """Say in the log which stores get no user of a closed load, and how many users they take."""
    idle = idle_stores(stores, users, processes)
    if idle:
        enough = next(n for n in count(users) if not idle_stores(stores, n, processes))
        log.warning(
            "%s of %s stores get no user, so nothing is sent to them: %s: start %s users or more",
            *(len(idle), len(stores), ", ".join(idle), enough),
        )


def idle_stores(stores: Sequence[str], users: int, processes: int) -> list[str]:
    """Return the stores that none of `users` works on, as `UserPool.join` deals them out."""
    processes = max(1, processes)
    busy = {
        stores[(rank + index) % len(stores)]
        for rank in range(processes)
        for index in range(users // processes + (rank < users % processes))
    }
    return [store for store in stores if store not in busy]
