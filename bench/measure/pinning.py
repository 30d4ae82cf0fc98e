"""Giving the generator a core of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

import psutil


def generator_cores() -> list[int]:
    """Return the core that the generator gets for itself, the last; none on a single core."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[-1:] if len(cores) > 1 else []


@contextmanager
def kept_off(cores: Sequence[int], pids: Iterable[int]) -> Iterator[None]:
    """Keep every thread of processes and their children off `cores`, and let them back after."""
    everywhere = os.sched_getaffinity(0)
    threads = list(_threads(pids))
    _allow(threads, everywhere - set(cores))
    try:
        yield
    finally:
        _allow(threads, everywhere)


def _threads(pids: Iterable[int]) -> Iterator[int]:
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            for member in (process, *process.children(recursive=True)):
                yield from (thread.id for thread in member.threads())


def _allow(threads: Iterable[int], cores: set[int]) -> None:
    for thread in threads:
        with suppress(ProcessLookupError):  # it ended meanwhile
            os.sched_setaffinity(thread, cores)
