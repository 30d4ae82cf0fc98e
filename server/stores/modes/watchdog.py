"""Ends sync calls that outlast their deadline, for drivers without a time-out of their own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any


class Watchdog:
    """Calls `sever` from a thread on any connection whose call has lasted longer than `seconds`.

    It ends a call up to `TICK` late.
    """

    TICK = 0.1

    def __init__(self, seconds: float, sever: Callable[[Any], None]) -> None:
        self.seconds = seconds
        self._sever = sever
        self._since: dict[int, tuple[float, Any]] = {}
        self._severing = threading.Lock()
        self._stop = threading.Event()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def enter(self, connection: Any) -> None:
        """Note that a call on `connection` begins."""
        self._since[id(connection)] = (monotonic(), connection)

    def leave(self, connection: Any) -> bool:
        """Note that the call on `connection` has ended; return whether it has been severed."""
        if self._since.pop(id(connection), None) is not None:
            return False
        with self._severing:  # wait for the severing, where the answer came at the last moment
            return True

    def close(self) -> None:
        """End the thread."""
        self._stop.set()

    def _watch(self) -> None:
        while not self._stop.wait(min(self.TICK, self.seconds / 4)):
            latest = monotonic() - self.seconds
            for key, (since, connection) in list(self._since.items()):
                if since <= latest:
                    self._end(key, connection)

    def _end(self, key: int, connection: Any) -> None:
        with self._severing:
            if self._since.pop(key, None) is not None:
                with contextlib.suppress(Exception):  # it may be closed by now
                    self._sever(connection)
