"""Who waits for what: connections handed out one by one, and calls that take too long."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any


class Gate:
    """A fixed number of places, each with a connection in it or None where one is to be made.

    What comes back last goes out first, so that a quiet store keeps few connections warm. All
    of it happens on the event loop's thread.
    """

    __slots__ = ("_free", "_loop", "_waiting", "size")

    def __init__(self, size: int, loop: asyncio.AbstractEventLoop) -> None:
        self.size = size
        self._free: list[Any] = [None] * size
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._loop = loop

    @property
    def idle(self) -> bool:
        """True while every place is free."""
        return len(self._free) == self.size

    def take(self) -> asyncio.Future[Any] | None:
        """Return None where `pop` may be called at once, else a future of a connection."""
        if self._free:
            return None
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.append(future)
        return future

    def pop(self) -> Any:
        """Return a free connection, or None where one is to be made."""
        return self._free.pop()

    def put(self, connection: Any) -> None:
        """Give a place back, with its connection or None; the longest waiting gets it."""
        waiting = self._waiting
        while waiting:
            future = waiting.popleft()
            if not future.done():
                future.set_result(connection)
                return
        self._free.append(connection)

    def empty(self) -> list[Any]:
        """Take the connections out of the free places and return them; the places stay."""
        taken = [connection for connection in self._free if connection is not None]
        self._free = [None] * len(self._free)
        return taken


class Deadlines:
    """Cancels tasks that have been under way for longer than `seconds`.

    One timer for all, because each has the same time: a task costs two dictionary operations,
    where a timer of its own (asyncio.timeout) costs 2 us. Ends up to `TICK` late.
    """

    TICK = 0.1

    __slots__ = ("_loop", "_since", "_timer", "seconds")

    def __init__(self, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        self.seconds = seconds
        self._since: dict[asyncio.Task[Any], float] = {}
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, task: asyncio.Task[Any]) -> None:
        """Begin to count the time of `task`."""
        self._since[task] = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(min(self.TICK, self.seconds / 4), self._sweep)

    def forget(self, task: asyncio.Task[Any]) -> bool:
        """Stop counting; True where the task was cancelled by this clock."""
        return self._since.pop(task, None) is None

    def _sweep(self) -> None:
        self._timer = None
        latest = self._loop.time() - self.seconds
        for task, since in list(self._since.items()):
            if since > latest:
                break
            del self._since[task]
            task.cancel()
        if self._since:
            self._timer = self._loop.call_later(min(self.TICK, self.seconds / 4), self._sweep)


class Watchdog:
    """Calls `sever` on a connection whose sync call lasts longer than `seconds`, from a thread.

    For drivers without a time-out of their own; ends a call up to `TICK` late.
    """

    TICK = 0.1

    def __init__(self, seconds: float, sever: Callable[[Any], None]) -> None:
        self.seconds = seconds
        self._sever = sever
        self._since: dict[int, tuple[float, Any]] = {}
        self._stop = threading.Event()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def enter(self, connection: Any) -> None:
        """A call on `connection` begins."""
        self._since[id(connection)] = (monotonic(), connection)

    def leave(self, connection: Any) -> None:
        """The call on `connection` has ended."""
        self._since.pop(id(connection), None)

    def close(self) -> None:
        """End the thread."""
        self._stop.set()

    def _watch(self) -> None:
        while not self._stop.wait(min(self.TICK, self.seconds / 4)):
            latest = monotonic() - self.seconds
            for key, (since, connection) in list(self._since.items()):
                if since <= latest and self._since.pop(key, None) is not None:
                    self._sever(connection)
