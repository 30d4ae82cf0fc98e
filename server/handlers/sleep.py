"""Work that takes a set time and nothing else: what a call does to others, without a database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from server.api.enums import Mode
from server.api.record import encode
from server.api.schemas import Slept
from server.errors import Invalid
from server.handlers.base import Handler
from server.stores.modes import CallTimes

LEAST, MOST = 1, 10_000
"""Milliseconds."""


class SleepHandler(Handler):
    """Sleeps as long as it is asked to, in one of the ways to wait."""

    operation = "sleep"

    async def get(self) -> None:
        """Sleep."""
        asked = sleep_of(self.query("ms", "mode"))
        seconds = asked.ms / 1000
        start = begun = perf_counter()
        if asked.mode is Mode.BLOCKING:
            time.sleep(seconds)
        elif asked.mode is Mode.ASYNC:
            await asyncio.sleep(seconds)
        else:
            begun = await self._in_a_thread(seconds)
        self.times = times = CallTimes()
        times.wait, times.driver = begun - start, perf_counter() - begun
        self.answer(encode(asked))

    async def _in_a_thread(self, seconds: float) -> float:
        """Return when a thread was free to begin; there are as many as a store has connections."""
        process = self.application.process
        if process.sleepers is None:
            process.sleepers = ThreadPoolExecutor(process.settings.connections, "sleep")
        return await asyncio.get_running_loop().run_in_executor(process.sleepers, _sleep, seconds)


def _sleep(seconds: float) -> float:
    begun = perf_counter()
    time.sleep(seconds)
    return begun


def sleep_of(query: Mapping[str, str]) -> Slept:
    """Return what a query asks for, blocking unless it says otherwise; raises Invalid."""
    ms, mode = query.get("ms", ""), query.get("mode", Mode.BLOCKING)
    if not (ms.isascii() and ms.isdigit() and len(ms) < 9 and LEAST <= int(ms) <= MOST):
        raise Invalid(f"ms: {ms!r:.80} is not a whole number from {LEAST} to {MOST}", "ms")
    if mode not in list(Mode):
        raise Invalid(f"mode: {mode!r:.80} is none of {', '.join(Mode)}", "mode")
    return Slept(int(ms), Mode(mode))
