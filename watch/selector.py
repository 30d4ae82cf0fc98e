"""A selector for asyncio's event loop that measures what lies between its waits."""

from __future__ import annotations

import selectors
from collections.abc import Callable
from time import perf_counter
from typing import Any

from watch.blocks import BLOCK


class WatchedSelector(selectors.DefaultSelector):
    """Adds up the time spent waiting for events, and keeps the longest time between two waits.

    `on_block` is called with the seconds and the turn of each block when it has ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.idle = 0.0
        self.longest = 0.0
        self.on_block: Callable[[float, float], None] = lambda _seconds, _turn: None
        self._woken = perf_counter()
        self._waiting = False

    def turn(self) -> float | None:
        """Return when this turn began; None while the loop waits. From any thread."""
        return None if self._waiting else self._woken

    def select(self, timeout: float | None = None) -> list[Any]:
        """Wait for events."""
        start = perf_counter()
        held = start - self._woken
        if held > self.longest:
            self.longest = held
        if held >= BLOCK:
            self.on_block(held, self._woken)
        self._waiting = True
        events = super().select(timeout)
        self._woken = woken = perf_counter()
        self._waiting = False
        self.idle += woken - start
        return events
