"""How long work takes: the same always, exponentially spread, or as it was measured."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from windtunnel.errors import UsageError


class DurationError(UsageError):
    """A duration that cannot be read; the message is one line."""


class Duration(Protocol):
    """Seconds that a piece of work takes, drawn anew for each."""

    @property
    def mean(self) -> float:
        """Seconds."""

    def draw(self, source: random.Random) -> float:
        """Seconds of one piece."""


@dataclass(frozen=True, slots=True)
class Constant:
    """The same for each."""

    seconds: float

    @property
    def mean(self) -> float:
        """Seconds."""
        return self.seconds

    def draw(self, source: random.Random) -> float:  # noqa: ARG002
        """Seconds of one piece."""
        return self.seconds


@dataclass(frozen=True, slots=True)
class Exponential:
    """Without memory, as M/M/c has it."""

    mean: float

    def draw(self, source: random.Random) -> float:
        """Seconds of one piece."""
        return source.expovariate(1 / self.mean)


@dataclass(frozen=True)
class Measured:
    """Drawn from what was measured, each value as likely as any other."""

    values: Sequence[float]

    def __post_init__(self) -> None:
        if not self.values:
            raise DurationError("nothing was measured to draw from")

    @cached_property
    def mean(self) -> float:
        """Seconds."""
        return sum(self.values) / len(self.values)

    def draw(self, source: random.Random) -> float:
        """Seconds of one piece."""
        return self.values[int(source.random() * len(self.values))]


NOTHING = Constant(0.0)


def parse(text: str) -> Duration:
    """Read milliseconds: `20`, `exp:20` (exponential, of that mean), `12,15,40` (one of these).

    Raises DurationError.
    """
    kind, colon, rest = text.strip().partition(":")
    try:
        values = [float(part) / 1000 for part in (rest if colon else kind).split(",")]
    except ValueError:
        values = []
    right = values and all(0 < value < 1e4 for value in values)
    if not right or (colon and (kind != "exp" or len(values) > 1)):
        raise DurationError(f"{text!r}: write milliseconds as 20, exp:20 or 12,15,40")
    if colon:
        return Exponential(values[0])
    return Constant(values[0]) if len(values) == 1 else Measured(tuple(values))
