"""What the model says of a scene: quantiles and throughput of each kind of work, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

from windtunnel.analysis.stats import MIN_ROUNDS, IntervalEstimate, t_quantile
from windtunnel.analysis.summary import RESPONSE
from windtunnel.tuning.simulation import WorkCounts, simulate
from windtunnel.tuning.system_model import SystemModel

ROUNDS = MIN_ROUNDS
US = 1e6


@dataclass(frozen=True)
class Forecast:
    """One kind of work in several simulated rounds of `seconds` each."""

    rounds: Sequence[WorkCounts]
    seconds: float

    def quantile(
        self,
        per_mille: int,
        operation: str | None = None,  # noqa: ARG002
        latency: str = RESPONSE,  # noqa: ARG002
    ) -> IntervalEstimate:
        """A quantile of the response times in us; infinite where so many were never answered."""
        own = [_quantile(sorted(seen.responses), seen.arrived, per_mille) for seen in self.rounds]
        return _figure(_quantile(self._together, self.arrived, per_mille), own)

    @property
    def throughput(self) -> IntervalEstimate:
        """What came in a window and was answered in it, a second."""
        own = [seen.within / self.seconds for seen in self.rounds]
        return _figure(fmean(own), own)

    @property
    def arrived(self) -> int:
        """How many came, in all rounds."""
        return sum(seen.arrived for seen in self.rounds)

    @property
    def unanswered(self) -> float:
        """The share that was not answered."""
        return 1 - len(self._together) / self.arrived if self.arrived else 0.0

    @cached_property
    def _together(self) -> list[float]:
        return sorted(time for seen in self.rounds for time in seen.responses)


@dataclass(frozen=True)
class Length:
    """How long a scene is simulated: so many rounds, each with a warm-up and a window, seconds."""

    warmup: float
    duration: float
    rounds: int = ROUNDS
    patience: float = 10.0


def forecast(scene: SystemModel, length: Length, seed: object = 1) -> Mapping[str, Forecast]:
    """Simulate a scene; the same seed gives the same answer."""
    seen = [
        simulate(
            scene,
            f"{seed}:{number}",
            warmup=length.warmup,
            duration=length.duration,
            patience=length.patience,
        )
        for number in range(length.rounds)
    ]
    return {name: Forecast([one[name] for one in seen], length.duration) for name in seen[0]}


def _quantile(ascending: Sequence[float], arrived: int, per_mille: int) -> float:
    """Nearest rank among all that came, in us: what has no answer is behind all that has."""
    rank = max(1, -(-arrived * per_mille // 1000))
    return ascending[rank - 1] * US if rank <= len(ascending) else math.inf


def _figure(estimate: float, own: Sequence[float]) -> IntervalEstimate:
    """The estimate with a t interval of the rounds' own values, on the log scale."""
    usable = all(0 < value < math.inf for value in own) and 0 < estimate < math.inf
    if len(own) < MIN_ROUNDS or not usable:
        return IntervalEstimate(estimate, None, None, len(own))
    error = stdev(map(math.log, own)) / math.sqrt(len(own))
    reach = math.exp(t_quantile(len(own) - 1) * error)
    return IntervalEstimate(estimate, estimate / reach, estimate * reach, len(own))
