"""The settings that windtunnel takes from the environment, all read here."""

from __future__ import annotations

import os


def port_offset() -> int:
    """Return how far the ports of the stack are moved; 0 for a value that is not a number."""
    text = os.environ.get("WINDTUNNEL_OFFSET") or "0"
    return int(text) if text.isdecimal() else 0


def results_folder() -> str:
    """Return where Locust makes run folders by default."""
    return os.environ.get("WINDTUNNEL_RESULTS", "results")


def prints_tracebacks() -> bool:
    """Whether an error prints its traceback."""
    return bool(os.environ.get("WINDTUNNEL_DEBUG"))
