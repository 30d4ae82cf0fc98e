"""A timer that wakes the gevent loop at a moment, to some 50 us. Linux.

The loop's own timers count in whole milliseconds: at a rate of 1,000 requests a second that is as
much as lies between two of them. A timerfd (timerfd_create(2)) is a descriptor like any other.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Any, Final

from gevent import get_hub

_CLOCK_MONOTONIC: Final = 1
"""The clock of `time.perf_counter()`."""

_ABSOLUTE: Final = 1
_READ: Final = 1
_LONGEST: Final = 1e9

_libc: Final = ctypes.CDLL(None, use_errno=True)


class _Setting(ctypes.Structure):
    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class Timer:
    """Calls `callback` from the hub, once for each `at`. Raises OSError without a descriptor."""

    __slots__ = ("_descriptor", "_pointer", "_setting", "_watcher")

    def __init__(self, callback: Callable[[], None]) -> None:
        self._descriptor = _libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "no timer")
        self._setting = _Setting()
        self._pointer = ctypes.byref(self._setting)
        self._watcher: Any = get_hub().loop.io(self._descriptor, _READ)
        self._watcher.start(callback)

    def at(self, moment: float) -> None:
        """Set it to a moment of `time.perf_counter()`; one that is past comes at once.

        Setting it also takes back that it is due, so it need not be read.
        """
        setting, seconds = self._setting, int(min(moment, _LONGEST))
        setting.value_s = seconds
        setting.value_ns = max(int((moment - seconds) * 1e9), 1) if moment < _LONGEST else 0
        _libc.timerfd_settime(self._descriptor, _ABSOLUTE, self._pointer, None)

    def off(self) -> None:
        """Take back that it is set."""
        self._setting.value_s = self._setting.value_ns = 0
        _libc.timerfd_settime(self._descriptor, _ABSOLUTE, self._pointer, None)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._descriptor >= 0:
            self._watcher.stop()
            self._watcher.close()
            os.close(self._descriptor)
            self._descriptor = -1
