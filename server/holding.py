"""Who holds the event loop, as another thread sees it: the handler, its store, the function.

A thread can look at what another one is doing at any time that the interpreter lets it run: while
a blocking call waits, or, within 5 ms, between two steps of Python. It looks only while the loop is
late, and no more often than its share of a processor allows.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Hashable
from types import FrameType
from typing import NamedTuple, Protocol

from tornado.web import RequestHandler

from server.alarm import alarm

PERIOD = 0.01
"""Seconds between two looks at one block."""

SHARE, BURST = 0.002, 0.005
"""Looking takes at most this share of a processor, and so many seconds ahead of that."""

NAME = "loopwatch"
"""What the thread is called that looks."""

_EXECUTE = RequestHandler._execute.__code__
_LOOP = ("asyncio.events", "asyncio.base_events", "asyncio.runners")
_IDLE = "asyncio.runners"
"""Where the loop's thread is while uvloop, which has no frames of its own, waits."""


class Holder(NamedTuple):
    """What the loop was doing: `handler` is a class and verb, or a callback's name.

    `store` and `operation` are empty where there are none; `where` is the innermost function, and
    empty where nobody looked.
    """

    handler: str
    store: str
    operation: str
    where: str

    @classmethod
    def of(cls, handler: RequestHandler, where: str = "") -> Holder:
        """Return what a handler is called."""
        return cls(
            f"{type(handler).__name__}.{(handler.request.method or '').lower()}",
            getattr(handler, "store_id", ""),
            str(getattr(handler, "operation", "")),
            where,
        )


class Turns(Protocol):
    """Tells one turn of the loop from the next."""

    def turn(self) -> Hashable | None:
        """What names this turn, or None while the loop waits for events."""


class Sampler:
    """Looks at the loop's thread when it is late, from a thread of its own.

    `in_time` must be called again before the `grace` seconds given to it are over.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._watched = threading.get_ident()
        self._turn: Hashable | None = None
        self._seen: Counter[Holder] = Counter()
        self._alarm = alarm()
        self._began = time.perf_counter()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=NAME, daemon=True)
        self._thread.start()

    def in_time(self, grace: float) -> None:
        """The loop works, and does again in `grace` seconds, or else it is late."""
        self._alarm.put_off(grace)

    def holder(self, turn: Hashable) -> Holder | None:
        """Return who was seen most in a turn; None if nobody looked meanwhile."""
        seen = dict(self._seen)  # at one stroke: the other thread may be adding to it
        return max(seen, key=seen.__getitem__) if self._turn == turn and seen else None

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        self._alarm.put_off(1e-6)
        self._thread.join()
        self._alarm.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._alarm.wait()
            turn = self._turns.turn()
            while turn is not None and not self._ended.wait(self._owed()):
                if self._turns.turn() != turn:
                    break
                self._look(turn)
                self._ended.wait(PERIOD)

    def _owed(self) -> float:
        """Seconds to wait until looking is within its share again."""
        spent = (time.thread_time() - BURST) / SHARE
        return max(0.0, spent - (time.perf_counter() - self._began))

    def _look(self, turn: Hashable) -> None:
        frame = sys._current_frames().get(self._watched)
        found = None if frame is None else holder(frame)
        if found is not None and self._turns.turn() == turn:
            if turn != self._turn:
                self._seen, self._turn = Counter(), turn
            self._seen[found] += 1


def holder(innermost: FrameType) -> Holder | None:
    """Return what the loop's thread does by its innermost frame; None if it waits for events."""
    if _module(innermost) == _IDLE:
        return None
    frame: FrameType | None = innermost
    outermost = innermost
    while frame is not None and _module(frame) not in _LOOP:
        if frame.f_code is _EXECUTE:
            return Holder.of(frame.f_locals["self"], _where(innermost))
        outermost, frame = frame, frame.f_back
    return Holder(_name(outermost), "", "", _where(innermost))


def _where(innermost: FrameType) -> str:
    """The innermost function of this server, or of whoever it is where none of ours runs."""
    frame: FrameType | None = innermost
    while frame is not None and not _module(frame).startswith("server."):
        frame = frame.f_back
    return _name(frame or innermost)


def _name(frame: FrameType) -> str:
    return f"{_module(frame)}.{frame.f_code.co_qualname}"


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "?"))
