"""Faults that a proxy injects: how long a request is held, by the moment at which it arrives."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol


class Fault(Protocol):
    """A fault. Durations in seconds, moments in seconds since the proxy started."""

    def hold(self, moment: float) -> float:
        """Return for how long a request that arrives at `moment` is held."""


@dataclass(frozen=True, slots=True)
class Stall:
    """The server stands still for the last `seconds` of every `period`."""

    seconds: float
    period: float

    def hold(self, moment: float) -> float:
        """Until the stall is over, if there is one."""
        rest = self.period - moment % self.period
        return rest if rest <= self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class TwoHumps:
    """A share of all requests takes `slow`, the others `fast`, at random from a fixed seed."""

    fast: float
    slow: float
    share: float
    _random: random.Random = field(default_factory=lambda: random.Random("humps"))

    def hold(self, moment: float) -> float:  # noqa: ARG002
        """One of the two delays."""
        return self.slow if self._random.random() < self.share else self.fast


@dataclass(frozen=True, slots=True)
class Ramp:
    """A delay that grows evenly from nothing to `peak`, and begins again after every `period`."""

    peak: float
    period: float

    def hold(self, moment: float) -> float:
        """As high as the ramp is at that moment."""
        return self.peak * (moment % self.period) / self.period


@dataclass(frozen=True, slots=True)
class Delay:
    """Every request takes `seconds` longer."""

    seconds: float

    def hold(self, moment: float) -> float:  # noqa: ARG002
        """The same at every moment."""
        return self.seconds


@dataclass(slots=True)
class Queue:
    """Requests are served one after the other, each in `seconds`: M/D/1 if they come at random."""

    seconds: float
    _idle_from: float = 0.0

    def hold(self, moment: float) -> float:
        """Until all requests before it are served, and it is."""
        self._idle_from = max(self._idle_from, moment) + self.seconds
        return self._idle_from - moment


FAULTS: Final[Mapping[str, type[Fault]]] = {
    "stall": Stall,
    "humps": TwoHumps,
    "ramp": Ramp,
    "delay": Delay,
    "queue": Queue,
}
