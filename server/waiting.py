"""Who waits for what: places handed out one by one, and calls that take too long."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic, perf_counter
from typing import Any

from server.errors import Busy


class Place:
    """Room for one call: a connection (None where one is to be made), and who has it since when.

    Attributes of ten objects instead of a dictionary of tasks: half a microsecond a call.
    """

    __slots__ = ("db", "since", "task")

    def __init__(self) -> None:
        self.db: Any = None
        self.since = 0.0
        self.task: asyncio.Task[Any] | None = None
        """None while nobody has it, and when the deadline has cancelled who had."""


class Places:
    """A fixed number of places, and the deadline of the calls that have them or wait for one.

    What comes back last goes out first, so that a quiet store keeps few connections warm. One
    timer serves all, because each call has the same time (a timer for each, asyncio.timeout,
    costs 2 us): it runs while calls are under way, and cancels up to `TICK` late. All of it
    happens on the event loop's thread; times are those of perf_counter.
    """

    TICK = 0.1

    __slots__ = ("_all", "_loop", "_since", "_waiting", "free", "seconds", "timer", "title")

    def __init__(
        self, size: int, seconds: float, title: str, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._all = tuple(Place() for _ in range(size))
        self.free = list(self._all)
        """Pop from it where it is not empty, else `wait`."""
        self.seconds = seconds
        self.title = title
        self.timer: asyncio.TimerHandle | None = None
        """Where it is None when a call begins, `arm`."""
        self._waiting: deque[asyncio.Future[Place]] = deque()
        self._since: dict[asyncio.Task[Any], float] = {}
        self._loop = loop

    @property
    def idle(self) -> bool:
        """True while every place is free."""
        return len(self.free) == len(self._all)

    @property
    def used(self) -> float:
        """When the latest call began."""
        return max(place.since for place in self._all)

    async def wait(self, start: float) -> Place:
        """Return the place that comes back, in order of asking; `start` is when the call began.

        Raises Busy at the deadline. What arrives at the moment of a cancellation goes on.
        """
        task = asyncio.current_task(self._loop)
        assert task is not None
        self._since[task] = start
        self.arm()
        coming: asyncio.Future[Place] = self._loop.create_future()
        self._waiting.append(coming)
        try:
            place = await coming
        except asyncio.CancelledError:
            if coming.done() and not coming.cancelled():
                self.put(coming.result())
            if self._since.pop(task, None) is not None:
                raise
            task.uncancel()
            raise self._busy() from None
        del self._since[task]
        return place

    def _busy(self) -> Busy:
        size, seconds = len(self._all), self.seconds
        return Busy(f"{self.title}: all {size} connections were in use for {seconds:g} s")

    def put(self, place: Place) -> None:
        """Give a place back; the longest waiting gets it."""
        place.task = None
        while self._waiting:
            coming = self._waiting.popleft()
            if not coming.done():
                coming.set_result(place)
                return
        self.free.append(place)

    def empty(self) -> list[Any]:
        """Take the connections out of the free places and return them; the places stay."""
        taken = [place.db for place in self.free if place.db is not None]
        for place in self.free:
            place.db = None
        return taken

    def arm(self) -> None:
        """Begin to look after the calls under way."""
        if self.timer is None:
            self.timer = self._loop.call_later(min(self.TICK, self.seconds / 4), self._sweep)

    def _sweep(self) -> None:
        self.timer = None
        latest = perf_counter() - self.seconds
        for place in self._all:
            task = place.task
            if task is not None and place.since <= latest:
                place.task = None
                task.cancel()
        for task, since in list(self._since.items()):
            if since <= latest:
                del self._since[task]
                task.cancel()
        if self._since or any(place.task is not None for place in self._all):
            self.arm()


class Watchdog:
    """Calls `sever` on a connection whose sync call lasts longer than `seconds`, from a thread.

    For drivers without a time-out of their own; ends a call up to `TICK` late.
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
        """A call on `connection` begins."""
        self._since[id(connection)] = (monotonic(), connection)

    def leave(self, connection: Any) -> bool:
        """The call on `connection` has ended; return whether it was severed, and is so by now."""
        if self._since.pop(id(connection), None) is not None:
            return False
        with self._severing:  # at work on it, where the answer came in the last moment
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
                with contextlib.suppress(Exception):  # it may have closed meanwhile
                    self._sever(connection)
