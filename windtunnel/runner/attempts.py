"""The attempts at a cell: one that is spoiled is measured again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from windtunnel.recording import limits
from windtunnel.recording.results import Cell
from windtunnel.recording.run_folder import RunFolder

MAX_ATTEMPTS: Final = 3
"""The last one is kept as it is."""


def measure_until_clean(
    measure: Callable[[int], Cell], folder: RunFolder, description: str, note: Callable[[str], None]
) -> None:
    """Measure a cell, and again while it is spoiled; each attempt is put on disk.

    `measure` gets the number of the attempt, from 1. Raises ResultsError.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        cell = measure(attempt)
        reason = why_spoiled(cell) if attempt < MAX_ATTEMPTS else None
        kept = cell if reason is None else msgspec.structs.replace(cell, void=reason)
        folder.append(kept)
        folder.log(kept)
        if reason is None:
            break
        note(f"measured again: {description}: {reason}")
    if cell.void is not None:
        note(f"void: {description}: {cell.void}")


def why_spoiled(cell: Cell) -> str | None:
    """Return why a cell should be measured again, or None."""
    steal = cell.health.get("steal") or 0.0
    if steal > limits.STEAL:
        return f"the hypervisor stole {steal:.0%} of the machine"
    return None
