"""The request for a tune: its load, its SLOs and the layouts to try."""

from __future__ import annotations

from dataclasses import dataclass, field

from windtunnel.analysis.slo import parse
from windtunnel.client.api import Operation
from windtunnel.errors import UsageError
from windtunnel.tuning.layout import PoolLayout
from windtunnel.tuning.objectives import kinds
from windtunnel.tuning.tuner import Limits
from windtunnel.workload.slow import SlowWork


@dataclass(frozen=True, slots=True)
class TuneRequest:
    """What a tune is to measure. Times in seconds, rates in requests a second."""

    slos: tuple[str, ...]
    fast_rate: float = 200.0
    slow_rate: float = 5.0
    work: SlowWork = field(default_factory=SlowWork)
    store: str = "redis/async/fast"
    mix: str = "balanced"
    poisson: bool = False
    processes: int | None = None
    balances: tuple[str, ...] = ("round_robin",)
    pool_layouts: tuple[PoolLayout, ...] = ()
    duration: int = 3
    warmup: float = 0.5
    population: int = 1000
    seed: int = 1
    limits: Limits = field(default_factory=Limits)
    apply: bool = False

    def check(self) -> None:
        """Raise UsageError for what is not fast work, ObjectiveError for what no split changes."""
        if self.mix == Operation.SUMMARY:
            raise UsageError("--mix summary is slow work: see --slow-work")
        for slo in self.slos:
            kinds(parse(slo))
