"""What a proxy does to requests: for how long it holds each, by the moment at which it came."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class Harm(Protocol):
    """A shape of harm. Times in seconds, moments counted from when the proxy began."""

    def hold(self, moment: float) -> float:
        """Return for how long a request that came at `moment` is held."""


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing goes on during the last `seconds` of every `every`."""

    seconds: float
    every: float

    def hold(self, moment: float) -> float:
        """Until the stall is over, if there is one."""
        left = self.every - moment % self.every
        return left if left <= self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Humps:
    """A share of all requests takes `slow`, the others `fast`: which, is random and seeded."""

    fast: float
    slow: float
    share: float
    _random: random.Random = field(default_factory=lambda: random.Random("humps"))

    def hold(self, moment: float) -> float:  # noqa: ARG002
        """One of both."""
        return self.slow if self._random.random() < self.share else self.fast


@dataclass(frozen=True, slots=True)
class Ramp:
    """What a request takes grows evenly from nothing to `most`, and begins again after `every`."""

    most: float
    every: float

    def hold(self, moment: float) -> float:
        """As far as the ramp has come."""
        return self.most * (moment % self.every) / self.every


@dataclass(frozen=True, slots=True)
class Delay:
    """Every request takes `seconds` longer."""

    seconds: float

    def hold(self, moment: float) -> float:  # noqa: ARG002
        """Constant the same."""
        return self.seconds


@dataclass(slots=True)
class Queue:
    """Requests are served one after the other, each in `seconds`: M/D/1 if they come at random."""

    seconds: float
    _free: float = 0.0

    def hold(self, moment: float) -> float:
        """Until all before it are served, and it is."""
        self._free = max(self._free, moment) + self.seconds
        return self._free - moment


HARMS: Mapping[str, type[Harm]] = {
    "stall": Stall,
    "humps": Humps,
    "ramp": Ramp,
    "delay": Delay,
    "queue": Queue,
}
