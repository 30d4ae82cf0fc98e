"""Waits for what another thread or process brings about."""

from __future__ import annotations

import time
from collections.abc import Callable

LOOK = 0.005
"""Seconds between two looks."""


def until(condition: Callable[[], bool], otherwise: str = "", seconds: float = 60) -> None:
    """Return when the condition holds; fail with `otherwise` if it does not in time."""
    latest = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < latest, otherwise
        time.sleep(LOOK)
