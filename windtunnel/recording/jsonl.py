"""Files of one JSON value a line, as they are after whatever stopped their writer."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

Line = TypeVar("Line")


def read(path: Path, kind: type[Line], damaged: list[str]) -> Iterator[Line]:
    """Yield every line as a `kind`; those that are none are named in `damaged`, not fatal.

    A file that is not there has no lines. Raises OSError.
    """
    decoder = msgspec.json.Decoder(kind)
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield decoder.decode(line)
        except msgspec.DecodeError as error:
            torn = "cut off, the run was killed while writing it" if number == len(lines) else error
            damaged.append(f"{path.name} line {number}: {torn}")


# What is added to a file is in it whole or not at all, whatever a full disk does in between.


def append_whole(path: Path, data: bytes, *, create: bool = False) -> None:
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
