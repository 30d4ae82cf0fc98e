"""What a master and its workers send each other over Locust's own socket."""

from __future__ import annotations

from typing import Final

import msgspec

from windtunnel.live.preparation import Part
from windtunnel.workload.user_pool import UserConfig

ASSIGNMENT: Final = "windtunnel-assignment"
"""To a worker, ahead of the order to spawn users: a `WorkerAssignment`."""

LOAD: Final = "windtunnel-load"
"""To a worker: the `LoadProfile` to send from now on."""

STOP: Final = "windtunnel-stop"
"""To a worker: a `StopOrder`."""


class WorkerAssignment(msgspec.Struct, frozen=True):
    """A worker's part of a test: its records by store, its share of users and of requests.

    `rank` is its number among the workers; `is_open` says whether the load begins as open load.
    """

    config: UserConfig
    parts: dict[str, Part]
    users: int
    rank: int
    max_in_flight: int
    is_open: bool


class StopOrder(msgspec.Struct, frozen=True):
    """Send no more, and wait for answers at most `timeout` seconds."""

    timeout: float
