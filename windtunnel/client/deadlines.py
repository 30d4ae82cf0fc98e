"""Timers on gevent: one precise to some 50 us (Linux), and deadlines of many requests at once.

The loop's own timers count in whole milliseconds: at a rate of 1,000 requests a second that is as
much as lies between two of them. A timerfd (timerfd_create(2)) is a descriptor like any other.
A deadline costs a request a dictionary entry.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable
from itertools import takewhile
from time import perf_counter
from typing import Any, Final, Protocol

import gevent
from gevent import get_hub

_CLOCK_MONOTONIC: Final = 1
"""The clock of `time.perf_counter()`."""

_ABSOLUTE: Final = 1
_READ: Final = 1
_FAR_FUTURE: Final = 1e9

_libc: Final = ctypes.CDLL(None, use_errno=True)


class _TimerSpec(ctypes.Structure):
    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class Timer:
    """Calls `callback` from the hub, once for each `set`. Raises OSError without a descriptor."""

    __slots__ = ("_descriptor", "_pointer", "_spec", "_watcher")

    def __init__(self, callback: Callable[[], None]) -> None:
        self._descriptor = _libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "no timer")
        self._spec = _TimerSpec()
        self._pointer = ctypes.byref(self._spec)
        self._watcher: Any = get_hub().loop.io(self._descriptor, _READ)
        self._watcher.start(callback)

    def set(self, moment: float) -> None:
        """Set it to a moment of `time.perf_counter()`; a past moment fires at once.

        Setting it also clears an expiry that is due, so it need not be read.
        """
        spec, seconds = self._spec, int(min(moment, _FAR_FUTURE))
        spec.value_s = seconds
        spec.value_ns = max(int((moment - seconds) * 1e9), 1) if moment < _FAR_FUTURE else 0
        _libc.timerfd_settime(self._descriptor, _ABSOLUTE, self._pointer, None)

    def cancel(self) -> None:
        """Unset it."""
        self._spec.value_s = self._spec.value_ns = 0
        _libc.timerfd_settime(self._descriptor, _ABSOLUTE, self._pointer, None)

    def close(self) -> None:
        """Close the descriptor."""
        if self._descriptor >= 0:
            self._watcher.stop()
            self._watcher.close()
            os.close(self._descriptor)
            self._descriptor = -1


class Expirable(Protocol):
    """What waits, and can time out."""

    def expire(self) -> None:
        """Give up waiting."""


class Deadlines:
    """All waiters with one and the same time-out, in the order in which they will expire.

    That is the order of their start, so one timer watches the oldest alone. Most often that one
    has long ended when the timer fires, and the timer is set for its successor: about one timer
    event in `seconds`, however many requests there are.
    """

    __slots__ = ("_pending", "_timer", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._pending: dict[Expirable, float] = {}
        self._timer = gevent.get_hub().loop.timer(seconds, ref=False)

    @property
    def pending(self) -> Iterable[Expirable]:
        """Those that wait now."""
        return self._pending

    def start(self, waiter: Expirable) -> None:
        """Start the time-out of `waiter`; its `expire` is called from the hub at the end."""
        self._pending[waiter] = perf_counter() + self.seconds
        if not self._timer.active:
            self._start_timer(self.seconds)

    def stop(self, waiter: Expirable) -> None:
        """Forget `waiter`."""
        self._pending.pop(waiter, None)

    def _start_timer(self, seconds: float) -> None:
        self._timer.stop()
        self._timer.close()
        self._timer = gevent.get_hub().loop.timer(seconds, ref=False)
        self._timer.start(self._expire, update=True)

    def _expire(self) -> None:
        now = perf_counter()
        for waiter in self._due(now):
            self.stop(waiter)
            waiter.expire()
        if self._pending:
            self._start_timer(max(next(iter(self._pending.values())) - now, 0.0))

    def _due(self, now: float) -> list[Expirable]:
        return [waiter for waiter, _ in takewhile(lambda e: e[1] <= now, self._pending.items())]
