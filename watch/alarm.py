"""An alarm that wakes a thread unless it is postponed in time; postponing it wakes nobody.

A thread that woke every few milliseconds to check on a busy loop would cost that loop 5 to 15 % of
a processor: each time the thread wants the interpreter's lock it is woken again and again, as the
loop releases the lock for a microsecond at every turn, and it comes too late.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import Protocol

_CLOCK_MONOTONIC = 1
_POLLING_PERIOD = 0.25


class Alarm(Protocol):
    """One thread waits for the alarm, another one postpones it."""

    def postpone(self, seconds: float) -> None:
        """Wake the waiting thread in so many seconds, unless this is called again before."""

    def wait(self) -> None:
        """Wait for the alarm."""

    def close(self) -> None:
        """Release the alarm; no thread waits any more."""


class PollingAlarm:
    """Where the system has no timer to offer: wakes every quarter of a second."""

    def postpone(self, seconds: float) -> None:
        """See `Alarm`."""

    def wait(self) -> None:
        """See `Alarm`."""
        time.sleep(_POLLING_PERIOD)

    def close(self) -> None:
        """See `Alarm`."""


class _TimerSpec(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("interval_s", "interval_ns", "s", "ns")]


class TimerAlarm:
    """Linux's timerfd_create(2), which Python itself offers from 3.13 on."""

    def __init__(self) -> None:
        libc = ctypes.PyDLL(None)
        self._settime: Callable[..., int] = libc.timerfd_settime
        self._file = int(libc.timerfd_create(_CLOCK_MONOTONIC, os.O_CLOEXEC))
        if self._file < 0:
            raise OSError("the system has no timer left")
        self._spec = _TimerSpec()
        self._spec_pointer = ctypes.byref(self._spec)

    def postpone(self, seconds: float) -> None:
        """See `Alarm`."""
        self._spec.s, self._spec.ns = divmod(int(seconds * 1e9), 1_000_000_000)
        self._settime(self._file, 0, self._spec_pointer, None)

    def wait(self) -> None:
        """See `Alarm`."""
        os.read(self._file, 8)

    def close(self) -> None:
        """See `Alarm`."""
        os.close(self._file)


def new_alarm() -> Alarm:
    """Return the best alarm that the system has."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            return TimerAlarm()
    return PollingAlarm()
