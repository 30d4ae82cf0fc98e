"""A watched event loop, asyncio's and uvloop's: lag, busy share, blocks and who caused them."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from watch import LoopWatch, watched_loop
from watch.blocks import BLOCK
from watch.loop import BOUNDS, TICK

LOOPS = ["asyncio", "uvloop"]


def reports_around(kind: str, work: Callable[[], Any]) -> Any:
    """Run `work` on a watched loop between two reports; return both."""
    make_loop, watch = watched_loop(kind)

    async def main() -> Any:
        watch.start()
        before = watch.report(kind)
        result = work()
        if result is not None:
            await result
        while sum(watch.lag.counts) < 3:
            await asyncio.sleep(0)
        watch.stop()
        return before, watch.report(kind)

    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(main())


@pytest.mark.parametrize("kind", LOOPS)
def test_a_block_is_seen(kind: str) -> None:
    before, after = reports_around(kind, lambda: time.sleep(0.3))
    assert after["recent"]["longest_block_ms"] >= 250
    assert after["busy_s"] - before["busy_s"] >= 0.25
    late_counts = after["lag"]["counts"][BOUNDS.index(0.2) + 1 :]
    assert sum(late_counts) >= 1
    assert after["lag"]["total_s"] >= 0.3 - 1.5 * TICK - 0.001


def test_modes_is_not_busy() -> None:
    """A loop that waits for something in a thread is idle meanwhile."""
    event = threading.Event()

    def wait() -> Any:
        threading.Timer(0.3, event.set).start()
        return asyncio.to_thread(event.wait)

    before, after = reports_around("asyncio", wait)
    assert after["elapsed_s"] - before["elapsed_s"] >= 0.3
    assert after["busy_s"] - before["busy_s"] < after["elapsed_s"] - before["elapsed_s"]


def test_a_watch_that_never_started_reports_nothing_wrong() -> None:
    LoopWatch().stop()


IsSampled = Callable[[], bool]
"""Whether this turn of the loop has been sampled yet."""


def report_of(kind: str, blocks: list[Callable[[IsSampled], Any]]) -> Any:
    """Run blocks on a watched loop, some turns apart, and return the report."""
    make_loop, watch = watched_loop(kind)

    def is_sampled() -> bool:
        sampler = watch._sampler
        turn = sampler and sampler._turns.turn()
        return bool(sampler and turn is not None and sampler.holder(turn))

    async def main() -> Any:
        watch.start()
        for block in blocks:
            block(is_sampled)
            ticks = sum(watch.lag.counts)
            while sum(watch.lag.counts) < ticks + 2:
                await asyncio.sleep(0.001)
        watch.stop()
        return watch.report(kind)

    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(main())


def sleep_long(is_sampled: IsSampled) -> None:
    time.sleep(0.2)
    while not is_sampled():
        time.sleep(0.05)


def spin(is_sampled: IsSampled) -> None:
    until = time.perf_counter() + 0.3
    while time.perf_counter() < until or not is_sampled():
        pass


def match_without_yielding(_: IsSampled) -> None:
    """One call into C that never lets another thread run."""
    re.fullmatch(r"(a|aa)+b", "a" * 31)


@pytest.mark.parametrize("loop", LOOPS)
def test_blocks_are_counted_by_who_caused_them(loop: str) -> None:
    """Each lasts until it is sampled: on a busy machine that may take more than 0.2 s."""
    info = report_of(loop, [sleep_long, spin, sleep_long])
    (holder,) = [entry for entry in info["blocks"]["by"] if entry["handler"].endswith(".main")]
    assert holder["count"] >= 3
    assert holder["total_ms"] >= 500
    assert holder["longest_ms"] >= 250
    assert holder["where"].endswith(".sleep_long")
    assert holder["store"] == holder["operation"] == ""


@pytest.mark.parametrize("loop", LOOPS)
def test_what_lets_nobody_look_still_counts(loop: str) -> None:
    info = report_of(loop, [match_without_yielding])
    assert info["blocks"]["count"] >= 1
    assert info["recent"]["longest_block_ms"] >= 1000 * BLOCK


def test_an_undisturbed_loop_names_nobody() -> None:
    info = report_of("asyncio", [lambda _: None])
    assert not [entry for entry in info["blocks"]["by"] if entry["longest_ms"] > 1000]


def test_it_needs_the_standard_library_only() -> None:
    code = "import sys, watch; print(*{name.partition('.')[0] for name in sys.modules})"
    command = [sys.executable, "-S", "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not set(result.stdout.split()) - sys.stdlib_module_names - {"watch", "__main__"}
