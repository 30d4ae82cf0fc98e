"""Calls of a set length, without a database: what a call does to other requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from server.api.enums import Mode
from server.api.record import encode
from server.api.schemas import Sleep
from server.errors import Invalid
from server.handlers.base import Handler
from server.stores.modes import CallTimes

MIN_MS, MAX_MS = 1, 10_000


class SleepHandler(Handler):
    """Sleeps for the given time, in one of the modes."""

    operation = "sleep"

    async def get(self) -> None:
        """Sleep."""
        sleep = parse_sleep(self.query("ms", "mode"))
        seconds = sleep.ms / 1000
        start = driver_start = perf_counter()
        if sleep.mode is Mode.BLOCKING:
            time.sleep(seconds)
        elif sleep.mode is Mode.ASYNC:
            await asyncio.sleep(seconds)
        else:
            driver_start = await self._sleep_in_thread(seconds)
        self.times = times = CallTimes()
        times.wait, times.driver = driver_start - start, perf_counter() - driver_start
        self.respond(encode(sleep))

    async def _sleep_in_thread(self, seconds: float) -> float:
        """Return when a thread began; there are as many threads as a store has connections."""
        process = self.application.process
        if process.sleep_threads is None:
            process.sleep_threads = ThreadPoolExecutor(process.settings.connections, "sleep")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(process.sleep_threads, _sleep, seconds)


def _sleep(seconds: float) -> float:
    start = perf_counter()
    time.sleep(seconds)
    return start


def parse_sleep(query: Mapping[str, str]) -> Sleep:
    """Return the sleep that a query asks for, blocking by default; raises Invalid."""
    ms, mode = query.get("ms", ""), query.get("mode", Mode.BLOCKING)
    if not (ms.isascii() and ms.isdigit() and len(ms) < 9 and MIN_MS <= int(ms) <= MAX_MS):
        raise Invalid(f"ms: {ms!r:.80} is not a whole number from {MIN_MS} to {MAX_MS}", "ms")
    if mode not in list(Mode):
        raise Invalid(f"mode: {mode!r:.80} is none of {', '.join(Mode)}", "mode")
    return Sleep(int(ms), Mode(mode))
