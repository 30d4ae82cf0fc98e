"""One line of what `make truth` prints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is true, what was found, within what bound it has to be; written out, with units.

    `beside` is what a reader should see next to it and what decides nothing.
    """

    name: str
    truth: str
    found: str
    bound: str
    passed: bool
    beside: str = ""


class ExperimentError(Exception):
    """An experiment that could not be done; the message is one line."""


def ms(us: float | None) -> str:
    """Write microseconds as milliseconds."""
    return "n/a" if us is None else f"{us / 1000:.2f} ms"
