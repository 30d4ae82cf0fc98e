"""Samples the stack of the loop's thread, from another thread, while the loop is late.

A thread can read the stack of another one whenever the interpreter lets it run: while a blocking
call waits, or, within 5 ms, between two steps of Python. It does so only while the loop is late,
and no more often than its share of a processor allows.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Hashable
from typing import Protocol

from watch.alarm import new_alarm
from watch.holders import Holder, holder_of

PERIOD = 0.01
"""Seconds between two samples of one block."""

SHARE, BURST = 0.002, 0.005
"""Sampling takes at most this share of a processor, and so many seconds ahead of that."""

THREAD_NAME = "loopwatch"
"""The name of the sampling thread."""


class Turns(Protocol):
    """Distinguishes one turn (iteration) of the loop from the next."""

    def turn(self) -> Hashable | None:
        """Return what identifies this turn, or None while the loop waits for events."""


class StackSampler:
    """Samples the stack of the thread that makes it, from a thread of its own, when it is late.

    `expect_in` must be called again before the seconds given to it are over.
    """

    def __init__(self, turns: Turns, package: str) -> None:
        self._turns = turns
        self._package = package
        self._loop_thread = threading.get_ident()
        self._turn: Hashable | None = None
        self._holders: Counter[Holder] = Counter()
        self._alarm = new_alarm()
        self._began = time.perf_counter()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
        self._thread.start()

    def expect_in(self, seconds: float) -> None:
        """Note that the loop works: it is late unless this is called again in so many seconds."""
        self._alarm.postpone(seconds)

    def holder(self, turn: Hashable) -> Holder | None:
        """Return the holder sampled most in a turn; None if there was no sample."""
        counts = dict(self._holders)  # copied at once: the other thread may be adding to it
        return max(counts, key=counts.__getitem__) if self._turn == turn and counts else None

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._alarm.postpone(1e-6)
        self._thread.join()
        self._alarm.close()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._alarm.wait()
            turn = self._turns.turn()
            while turn is not None and not self._stopped.wait(self._debt()):
                if self._turns.turn() != turn:
                    break
                self._sample(turn)
                self._stopped.wait(PERIOD)

    def _debt(self) -> float:
        """Return the seconds to wait until sampling is within its share again."""
        spent = (time.thread_time() - BURST) / SHARE
        return max(0.0, spent - (time.perf_counter() - self._began))

    def _sample(self, turn: Hashable) -> None:
        frame = sys._current_frames().get(self._loop_thread)
        holder = None if frame is None else holder_of(frame, self._package)
        if holder is not None and self._turns.turn() == turn:
            if turn != self._turn:
                self._holders, self._turn = Counter(), turn
            self._holders[holder] += 1
