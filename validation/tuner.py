"""The tuner: does it recommend the split that is best, where a model knows which one that is?

Slow work is a blocking sleep, which takes as long as it says on any machine, so how many processes
it needs is known, and the model's simulation has nothing to guess. Each run is `windtunnel tune` as
anybody would type it, on a stack of its own, for one load of `LOADS`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.harness import Check, ExperimentError
from benchmarks.processes import run_module
from benchmarks.workspace import environment, own_workspace
from windtunnel.analysis.slo import Slo, parse
from windtunnel.recording import tuning_results
from windtunnel.tuning.distributions import Constant
from windtunnel.tuning.forecast import Length, forecast
from windtunnel.tuning.layout import FAST, SLOW, pool_layouts
from windtunnel.tuning.objectives import ALIKE, Evaluation, ranked
from windtunnel.tuning.system_model import work

FAST_RATE, FAST_S = 100.0, 0.001
STORE: Final = "redis/async/fast"
SECONDS, ROUNDS = "2", "6"
LEAST_RIGHT = 9
QUICK_LOADS = (2, 3, 6)
"""Indices of the loads of a quick experiment."""

TIE_RATIO = 2.0
"""By the model, splits tie whose margins differ by less than this: a millisecond or two."""


@dataclass(frozen=True, slots=True)
class TunerLoad:
    """Processes to divide, and slow work: how long each sleeps, and how many come a second."""

    processes: int
    sleep_ms: int
    rate: float
    slow_throughput: float | None = None
    """The objective: so many sleeps a second; without it, the fast p95 is half a sleep at most."""

    @property
    def slo(self) -> Slo:
        """The objective for `windtunnel tune`."""
        if self.slow_throughput is not None:
            return parse(f"throughput(slow) > {self.slow_throughput:g}/s")
        return parse(f"p95(response, fast) < {self.sleep_ms // 2}ms")

    def __str__(self) -> str:
        busy = self.rate * self.sleep_ms / 1000
        return f"{self.processes} processes, sleeps of {self.sleep_ms} ms for {busy:g} of them"


LOADS = (
    TunerLoad(4, 100, 6),
    TunerLoad(4, 100, 15),
    TunerLoad(4, 100, 25),
    TunerLoad(2, 100, 15, slow_throughput=12),
    TunerLoad(3, 100, 6),
    TunerLoad(3, 100, 15),
    TunerLoad(4, 200, 7.5),
    TunerLoad(4, 200, 12.5),
    TunerLoad(2, 200, 7.5, slow_throughput=6),
    TunerLoad(3, 200, 7.5),
)


def tuner(quick: bool) -> Iterator[Check]:
    """Recommend, for a load of fast work and blocking sleeps, the split that is best."""
    loads = [LOADS[index] for index in QUICK_LOADS] if quick else LOADS
    least_right = len(loads) if quick else LEAST_RIGHT
    right = 0
    with own_workspace() as workspace:
        variables = environment(workspace)
        run_module("windtunnel", "up", "--service", "redis", environment=variables)
        for number, load in enumerate(loads, 1):
            best = best_layouts(load)
            layout, note = tune(load, number, variables)
            right += layout in best
            yield Check(
                f"tuner: {load}; {load.slo}",
                layout,
                "one of them" if layout in best else "not one of them",
                True,  # a single load decides nothing
                expected=" or ".join(best),
                note=note,
            )
    yield Check(
        f"tuner: the best of {len(loads)} loads",
        str(right),
        f"at least {least_right}",
        right >= least_right,
        expected=f"each (by the model; {TIE_RATIO:g} times the margin is a tie)",
    )


def best_layouts(load: TunerLoad) -> list[str]:
    """By the model: the best layout, and those that tie with it. Raises ExperimentError."""
    fast = work(FAST, FAST_RATE, Constant(FAST_S), poisson=False)
    slow = work(SLOW, load.rate, Constant(load.sleep_ms / 1000), poisson=False, cpu=0.0)
    length = Length(warmup=5, duration=30)
    best, *others = ranked(
        Evaluation(layout, forecast(layout.system_model(fast, slow, None), length), [load.slo])
        for layout in pool_layouts(load.processes)
    )
    if not best.holds:
        raise ExperimentError(f"no split holds {load.slo} by the model: {load}")
    return [best.layout.name, *(other.layout.name for other in others if _is_tie(other, best))]


def _is_tie(other: Evaluation, best: Evaluation) -> bool:
    enough = other.throughput.estimate >= best.throughput.estimate * (1 - ALIKE)
    return other.holds and enough and other.margin * TIE_RATIO >= best.margin


def tune(load: TunerLoad, seed: int, variables: Mapping[str, str]) -> tuple[str, str]:
    """Return the recommended layout, and how tuning ended; raises ExperimentError."""
    with tempfile.TemporaryDirectory(prefix="windtunnel-truth-") as parent:
        run_module(
            "windtunnel",
            *("tune", "--slo", str(load.slo), "--store", STORE, "--seed", str(seed)),
            *("--rates", f"{FAST_RATE:g},{load.rate:g}", "--sleep-ms", str(load.sleep_ms)),
            *("--processes", str(load.processes), "--duration", SECONDS, "--rounds", ROUNDS),
            *("--results", parent),
            environment=variables,
            exit_codes=(0, 1),
        )
        [folder] = Path(parent).iterdir()
        tuning = tuning_results.load(folder)
    if tuning is None or tuning.recommended is None:
        raise ExperimentError(f"nothing was recommended for {load}")
    ties = f"; a tie with {', '.join(tuning.ties)}" if tuning.ties else ""
    doubtful = f"; {tuning.doubtful} of {tuning.cells} cells doubtful" if tuning.doubtful else ""
    return tuning.recommended, f"{tuning.ended}{ties}{doubtful}"
