"""Files with a JSON value on each line, readable after a crash of their writer.

What is appended is in a file whole or not at all, whatever a full disk does in between.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

Line = TypeVar("Line")


def read(path: Path, kind: type[Line], damaged: list[str]) -> Iterator[Line]:
    """Yield every line as a `kind`; a line that is none is described in `damaged` and left out.

    A missing file has no lines. Raises OSError.
    """
    decoder = msgspec.json.Decoder(kind)
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield decoder.decode(line)
        except msgspec.DecodeError as error:
            is_last = number == len(lines)
            reason = "cut off, the run was killed while writing it" if is_last else error
            damaged.append(f"{path.name} line {number}: {reason}")


def append_whole(path: Path, data: bytes, *, create: bool = False) -> None:
    """Add `data` to a file, synced before returning; raises OSError, and then adds nothing."""
    flags = os.O_WRONLY | os.O_APPEND | (os.O_CREAT if create else 0)
    descriptor = os.open(path, flags, 0o666)
    try:
        _append(descriptor, data)
    finally:
        os.close(descriptor)


def _append(descriptor: int, data: bytes) -> None:
    size = os.fstat(descriptor).st_size
    try:
        if os.write(descriptor, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    except BaseException:
        os.ftruncate(descriptor, size)
        raise
