"""Wakes a thread unless it is put off in time, and being put off wakes nobody.

A thread that came round every few milliseconds to see whether all is well would cost a busy loop
5 to 15 % of a processor: each time it wants the interpreter, it is woken again and again by a
loop that lets go of it for a microsecond at every turn, and comes too late.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import Protocol

_MONOTONIC = 1
_OFTEN = 0.25


class Alarm(Protocol):
    """One thread waits, another one puts off."""

    def put_off(self, seconds: float) -> None:
        """Wake the one who waits in so many seconds, if this is not called again before."""

    def wait(self) -> None:
        """Wait until it is time."""

    def close(self) -> None:
        """Nobody waits any more."""


class Naps:
    """Where there is nothing better: wakes every quarter of a second."""

    def put_off(self, seconds: float) -> None:
        """See `Alarm`."""

    def wait(self) -> None:
        """See `Alarm`."""
        time.sleep(_OFTEN)

    def close(self) -> None:
        """See `Alarm`."""


class _Spec(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("again_s", "again_ns", "s", "ns")]


class Timer:
    """Linux's timerfd_create(2), which Python itself has from 3.13 on."""

    def __init__(self) -> None:
        libc = ctypes.PyDLL(None)
        self._set: Callable[..., int] = libc.timerfd_settime
        self._file = int(libc.timerfd_create(_MONOTONIC, os.O_CLOEXEC))
        if self._file < 0:
            raise OSError("no timer to be had")
        self._spec = _Spec()
        self._given = ctypes.byref(self._spec)

    def put_off(self, seconds: float) -> None:
        """See `Alarm`."""
        self._spec.s, self._spec.ns = divmod(int(seconds * 1e9), 1_000_000_000)
        self._set(self._file, 0, self._given, None)

    def wait(self) -> None:
        """See `Alarm`."""
        os.read(self._file, 8)

    def close(self) -> None:
        """See `Alarm`."""
        os.close(self._file)


def alarm() -> Alarm:
    """Return the best that there is."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            return Timer()
    return Naps()
