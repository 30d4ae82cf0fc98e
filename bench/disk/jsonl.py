"""Files of one JSON value a line, as they are after whatever stopped their writer."""

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
