"""One check of `make perf`: what was measured, against what limit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the table: `measured` and `limit` are written out, with their units."""

    name: str
    measured: str
    limit: str
    passed: bool | None
    """None where it could not be measured here; `measured` says why."""
