"""What the model says of a model: quantiles and throughput of each kind of work, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

from windtunnel.analysis.metrics import RESPONSE
from windtunnel.analysis.stats import MIN_ROUNDS, IntervalEstimate, t_quantile
from windtunnel.recording.histogram import nearest_rank
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
        q: float,
        operation: str | None = None,  # noqa: ARG002
        latency: str = RESPONSE,  # noqa: ARG002
    ) -> IntervalEstimate:
        """A quantile of the response times in us; infinite where so many were never answered."""
        round_values = [
            _quantile(sorted(counts.responses), counts.arrived, q) for counts in self.rounds
        ]
        return _figure(_quantile(self._together, self.arrived, q), round_values)

    @property
    def throughput(self) -> IntervalEstimate:
        """What came in a window and was answered in it, a second."""
        round_values = [counts.within / self.seconds for counts in self.rounds]
        return _figure(fmean(round_values), round_values)

    @property
    def arrived(self) -> int:
        """How many came, in all rounds."""
        return sum(counts.arrived for counts in self.rounds)

    @property
    def failed_share(self) -> float:
        """The share that was not answered."""
        return 1 - len(self._together) / self.arrived if self.arrived else 0.0

    @cached_property
    def _together(self) -> list[float]:
        return sorted(time for counts in self.rounds for time in counts.responses)


@dataclass(frozen=True)
class Length:
    """How long a model is simulated: so many rounds, each with a warm-up and a window, seconds."""

    warmup: float
    duration: float
    rounds: int = ROUNDS
    patience: float = 10.0


def forecast(model: SystemModel, length: Length, seed: object = 1) -> Mapping[str, Forecast]:
    """Simulate a model; the same seed gives the same answer."""
    rounds = [
        simulate(
            model,
            f"{seed}:{number}",
            warmup=length.warmup,
            duration=length.duration,
            patience=length.patience,
        )
        for number in range(length.rounds)
    ]
    return {
        name: Forecast([counts[name] for counts in rounds], length.duration) for name in rounds[0]
    }


def _quantile(ascending: Sequence[float], arrived: int, q: float) -> float:
    """Nearest rank among all that came, in us: what has no answer is behind all that has."""
    rank = nearest_rank(arrived, q)
    return ascending[rank - 1] * US if rank <= len(ascending) else math.inf


def _figure(estimate: float, round_values: Sequence[float]) -> IntervalEstimate:
    """The estimate with a t interval of the rounds' own values, on the log scale."""
    usable = all(0 < value < math.inf for value in round_values) and 0 < estimate < math.inf
    if len(round_values) < MIN_ROUNDS or not usable:
        return IntervalEstimate(estimate, None, None, len(round_values))
    error = stdev(map(math.log, round_values)) / math.sqrt(len(round_values))
    reach = math.exp(t_quantile(len(round_values) - 1) * error)
    return IntervalEstimate(estimate, estimate / reach, estimate * reach, len(round_values))
