"""What is added to a file is in it whole or not at all, whatever a full disk does in between."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def append(path: Path, data: bytes, *, create: bool = False) -> None:
    """Add `data` to a file, on disk before returning; raises OSError, and then nothing is added."""
    flags = os.O_WRONLY | os.O_APPEND | (os.O_CREAT if create else 0)
    descriptor = os.open(path, flags, 0o666)
    try:
        _append(descriptor, data)
    finally:
        os.close(descriptor)


def _append(descriptor: int, data: bytes) -> None:
    before = os.fstat(descriptor).st_size
    try:
        if os.write(descriptor, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    except BaseException:
        os.ftruncate(descriptor, before)
        raise
