"""What is known of the work that a split is for: rates, service times, cores."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.model.durations import NOTHING, Duration
from bench.model.scene import Work


@dataclass(frozen=True, slots=True)
class Traffic:
    """Fast and slow work, and the cores left to them; None are plenty."""

    fast: Work
    slow: Work
    cores: float | None = None

    @property
    def computing(self) -> float:
        """Cores that are busy with it on average."""
        return sum(w.rate * w.service.mean * w.cpu for w in (self.fast, self.slow))

    def at(self, fast: float, slow: float) -> Traffic:
        """The same work at other rates."""
        return replace(self, fast=replace(self.fast, rate=fast), slow=replace(self.slow, rate=slow))


def occupied(work: Work) -> float:
    """How many processes it keeps busy on average: its load in Erlang."""
    share = 1.0 if work.holds else work.cpu
    return work.rate * work.service.mean * share


def work(
    name: str,
    rate: float,
    service: Duration,
    *,
    poisson: bool,
    cpu: float = 1.0,
    beside: Duration = NOTHING,
) -> Work:
    """Work that holds its process for as long as it takes, as what blocks does."""
    return Work(name, rate, service, poisson=poisson, cpu=cpu, beside=beside)
