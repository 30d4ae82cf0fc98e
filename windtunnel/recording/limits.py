"""The limits that say which figures count: of the machine, of the generator, of samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

MAX_STEAL: Final = 0.05
"""The share of the machine's CPU time that the hypervisor may steal before a cell is spoiled."""

MAX_GENERATOR_CPU: Final = 0.85
"""The share of one core from which on the generator is the limit, not the server."""

MAX_SCHEDULE_LAG_MS: Final = 2.0
"""How late the generator's p99 may be sent, in milliseconds, before the generator is the limit."""

LATE_S: Final = 0.002
"""Seconds after its scheduled start from which on a request counts as sent late."""

SAMPLES_BEYOND: Final = 10
"""How many samples lie beyond a quantile that is shown: fewer would decide it by chance."""

MAX_FAILED_SHARE: Final = 0.001
"""The share of requests that may fail or be skipped before a store is not ranked."""


def generator_limit(health: Mapping[str, Any]) -> str | None:
    """Return how the generator was the limit of a cell with this `health`, or None."""
    if (health.get("generator_cpu") or 0.0) > MAX_GENERATOR_CPU:
        return "the generator was the limit: a lower bound"
    if (health.get("schedule_lag_p99_ms") or 0.0) > MAX_SCHEDULE_LAG_MS:
        return "the generator was the limit, it sent late: a lower bound"
    return None


def flags(health: Mapping[str, Any]) -> list[str]:
    """Return what of `health` makes a cell doubtful."""
    limit = generator_limit(health)
    flags = [] if limit is None else [limit]
    if (health.get("steal") or 0.0) > MAX_STEAL:
        flags.append(f"more than {MAX_STEAL:.0%} of the machine was stolen")
    return flags
