"""Whether the load of a test is held for a while; it stands among the test's arguments."""

from __future__ import annotations

from argparse import Namespace


def pause(options: Namespace, on: bool) -> None:
    """Pause the load of a test, or let it go on; every process follows within a second."""
    options.paused = on


def paused(options: Namespace) -> bool:
    """Whether the load is paused."""
    return getattr(options, "paused", False)
