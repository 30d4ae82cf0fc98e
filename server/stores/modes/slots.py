"""Slots for calls: which connection a call gets, who waits for one, and the deadline of both."""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import Any

from server.errors import Busy


class ConnectionSlot:
    """Room for one call: a connection (None until one is opened), and the task that uses it.

    `since` is when the call began. Attributes of ten objects instead of a dictionary of tasks
    save half a microsecond a call.
    """

    __slots__ = ("db", "since", "task")

    def __init__(self) -> None:
        self.db: Any = None
        self.since = 0.0
        self.task: asyncio.Task[Any] | None = None
        """None while the slot is free, and once the deadline has cancelled its task."""


class ConnectionSlots:
    """A fixed number of slots, and the deadline of the calls that hold one or wait for one.

    The slot returned last is handed out first, so that a quiet store keeps few connections warm.
    One timer serves all calls, as they share one deadline (a timer for each, asyncio.timeout,
    costs 2 us): it runs while calls are under way, and cancels up to `TICK` late. Everything
    happens on the event loop's thread; times are those of perf_counter.
    """

    TICK = 0.1

    __slots__ = ("_all", "_loop", "_since", "_waiting", "free", "seconds", "timer", "title")

    def __init__(
        self, size: int, seconds: float, title: str, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._all = tuple(ConnectionSlot() for _ in range(size))
        self.free = list(self._all)
        """Pop from it where it is not empty, else `wait`."""
        self.seconds = seconds
        self.title = title
        self.timer: asyncio.TimerHandle | None = None
        """Where it is None when a call begins, `arm`."""
        self._waiting: deque[asyncio.Future[ConnectionSlot]] = deque()
        self._since: dict[asyncio.Task[Any], float] = {}
        self._loop = loop

    @property
    def idle(self) -> bool:
        """True while every slot is free."""
        return len(self.free) == len(self._all)

    @property
    def last_used(self) -> float:
        """When the latest call began."""
        return max(slot.since for slot in self._all)

    async def wait(self, start: float) -> ConnectionSlot:
        """Return the next slot that is put back, first come first served.

        `start` is when the call began. Raises Busy at the deadline. A slot that arrives at the
        moment of a cancellation is passed on.
        """
        task = asyncio.current_task(self._loop)
        assert task is not None
        self._since[task] = start
        self.arm()
        future: asyncio.Future[ConnectionSlot] = self._loop.create_future()
        self._waiting.append(future)
        try:
            slot = await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.put(future.result())
            if self._since.pop(task, None) is not None:
                raise
            task.uncancel()
            raise self._busy() from None
        del self._since[task]
        return slot

    def _busy(self) -> Busy:
        size, seconds = len(self._all), self.seconds
        return Busy(f"{self.title}: all {size} connections were in use for {seconds:g} s")

    def put(self, slot: ConnectionSlot) -> None:
        """Give a slot back; the call that has waited longest gets it."""
        slot.task = None
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(slot)
                return
        self.free.append(slot)

    def take_connections(self) -> list[Any]:
        """Take the connections out of the free slots and return them; the slots stay."""
        connections = [slot.db for slot in self.free if slot.db is not None]
        for slot in self.free:
            slot.db = None
        return connections

    def forget(self, db: Any) -> None:
        """Take a connection out of every slot, also where a call uses it."""
        for slot in self._all:
            if slot.db is db:
                slot.db = None

    def arm(self) -> None:
        """Start the timer that enforces the deadline of the calls under way."""
        if self.timer is None:
            self.timer = self._loop.call_later(min(self.TICK, self.seconds / 4), self._sweep)

    def _sweep(self) -> None:
        self.timer = None
        latest = perf_counter() - self.seconds
        for slot in self._all:
            task = slot.task
            if task is not None and slot.since <= latest:
                slot.task = None
                task.cancel()
        for task, since in list(self._since.items()):
            if since <= latest:
                del self._since[task]
                task.cancel()
        if self._since or any(slot.task is not None for slot in self._all):
            self.arm()
