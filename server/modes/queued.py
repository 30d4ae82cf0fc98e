"""What threads and async share: places handed out on the loop, and a deadline for each call."""

from __future__ import annotations

import asyncio

from server.engines.base import Engine
from server.modes.base import Waiting
from server.waiting import Places


class Queued(Waiting):
    """What threads and async share: places handed out on the loop, and a deadline for each call."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._loop = asyncio.get_running_loop()
        connections, title = engine.opening.connections, engine.title
        self._places = Places(connections, engine.deadline, title, self._loop)

    @property
    def idle(self) -> bool:
        """True while every place is free."""
        return self._places.idle

    @property
    def used(self) -> float:
        """When the latest call began, by perf_counter."""
        return self._places.used


def uncancel(loop: asyncio.AbstractEventLoop) -> None:
    """Take back the cancellation by which a deadline ended the task that runs."""
    task = asyncio.current_task(loop)
    assert task is not None
    task.uncancel()
