"""The tuner: does it recommend the split that is best, where a model knows which one that is?

Slow work is a blocking sleep, which takes as long as it says on any machine, so how many processes
it needs is known, and the model's simulation has nothing to guess. Each run is `windtunnel tune` as
anybody would type it, on a stack of its own, for one load of `LOADS`.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from validation.processes import ROOT, command
from validation.verdict import ExperimentError, Verdict
from windtunnel.analysis.slo import Slo, parse
from windtunnel.recording import tuning_results
from windtunnel.tuning.distributions import Constant
from windtunnel.tuning.forecast import Length, forecast
from windtunnel.tuning.layout import FAST, SLOW, pool_layouts
from windtunnel.tuning.objectives import ALIKE, Evaluation, ranked
from windtunnel.tuning.system_model import work

FAST_RATE, FAST_S = 100.0, 0.001
STORE = "redis/async/fast"
SECONDS, ROUNDS = "2", "6"
LEAST = 9
QUICKLY = (2, 3, 6)
"""Which loads a quick one takes."""

AS_GOOD = 2.0
"""By the model, splits are as good whose margins differ less: a millisecond or two is a tie."""

PORTS = (10000, 10001, 10002, 10003, 10004, 16379, 16380, 16381)


@dataclass(frozen=True, slots=True)
class TunerLoad:
    """So many processes to divide, and slow work: how long it sleeps, how much of it comes."""

    processes: int
    sleep_ms: int
    rate: float
    gets_done: float | None = None
    """The objective: so much of it a second; else the fast p95 is half a sleep at most."""

    @property
    def slo(self) -> Slo:
        """What is asked for."""
        if self.gets_done is not None:
            return parse(f"throughput(slow) > {self.gets_done:g}/s")
        return parse(f"p95(response, fast) < {self.sleep_ms // 2}ms")

    @property
    def told(self) -> str:
        """In a few words."""
        busy = self.rate * self.sleep_ms / 1000
        return f"{self.processes} processes, sleeps of {self.sleep_ms} ms for {busy:g} of them"


LOADS = (
    TunerLoad(4, 100, 6),
    TunerLoad(4, 100, 15),
    TunerLoad(4, 100, 25),
    TunerLoad(2, 100, 15, gets_done=12),
    TunerLoad(3, 100, 6),
    TunerLoad(3, 100, 15),
    TunerLoad(4, 200, 7.5),
    TunerLoad(4, 200, 12.5),
    TunerLoad(2, 200, 7.5, gets_done=6),
    TunerLoad(3, 200, 7.5),
)


def tuner(quick: bool) -> Iterator[Verdict]:
    """Recommend, for a load of fast work and blocking sleeps, the split that is best."""
    loads = [LOADS[place] for place in QUICKLY] if quick else LOADS
    least = len(loads) if quick else LEAST
    right = 0
    with _stack() as environment:
        for number, load in enumerate(loads, 1):
            best = as_good_as_the_best(load)
            found, told = tune(load, number, environment)
            right += found in best
            yield Verdict(
                f"tuner: {load.told}; {load.slo}",
                " or ".join(best),
                found,
                "beside" if found in best else "beside: not it",
                True,
                told,
            )
    yield Verdict(
        f"tuner: the best of {len(loads)} loads",
        f"each (by the model; {AS_GOOD:g} times the margin is a tie)",
        str(right),
        f"at least {least}",
        right >= least,
    )


def as_good_as_the_best(load: TunerLoad) -> list[str]:
    """By the model: the best layout, and those that are as good."""
    fast = work(FAST, FAST_RATE, Constant(FAST_S), poisson=False)
    slow = work(SLOW, load.rate, Constant(load.sleep_ms / 1000), poisson=False, cpu=0.0)
    length = Length(warmup=5, duration=30)
    best, *others = ranked(
        Evaluation(one, forecast(one.scene(fast, slow, None), length), [load.slo])
        for one in pool_layouts(load.processes)
    )
    if not best.holds:
        raise ExperimentError(f"no split holds {load.slo} by the model: {load.told}")
    return [best.layout.name, *(o.layout.name for o in others if _as_good(o, best))]


def _as_good(one: Evaluation, best: Evaluation) -> bool:
    enough = one.throughput.estimate >= best.throughput.estimate * (1 - ALIKE)
    return one.holds and enough and one.margin * AS_GOOD >= best.margin


def tune(load: TunerLoad, seed: int, environment: Mapping[str, str]) -> tuple[str, str]:
    """Return what is recommended, and how the tuner came to it; raises ExperimentError."""
    with tempfile.TemporaryDirectory(prefix="windtunnel-truth-") as into:
        _windtunnel(
            environment,
            *("tune", "--slo", str(load.slo), "--store", STORE, "--seed", str(seed)),
            *("--rates", f"{FAST_RATE:g},{load.rate:g}", "--sleep-ms", str(load.sleep_ms)),
            *("--processes", str(load.processes), "--duration", SECONDS, "--rounds", ROUNDS),
            *("--results", into),
            right=(0, 1),
        )
        [folder] = Path(into).iterdir()
        found = tuning_results.load(folder)
    if found is None or found.recommended is None:
        raise ExperimentError(f"nothing was recommended for {load.told}")
    ties = f"; a tie with {', '.join(found.ties)}" if found.ties else ""
    doubtful = f"; {found.doubtful} of {found.cells} cells doubtful" if found.doubtful else ""
    return found.recommended, f"{found.ended}{ties}{doubtful}"


@contextmanager
def _stack() -> Iterator[Mapping[str, str]]:
    """A stack of its own: the environment in which commands find it."""
    with tempfile.TemporaryDirectory(prefix="windtunnel-truth-") as parent:
        Path(parent).chmod(0o755)  # a database that root starts runs as nobody
        folder = Path(parent) / "run"
        own = {"WINDTUNNEL_FOLDER": str(folder), "WINDTUNNEL_OFFSET": str(_free_offset())}
        environment = {**os.environ, **own}
        _windtunnel(environment, "up", "--service", "redis")
        try:
            yield environment
        finally:
            _windtunnel(environment, "down")


def _windtunnel(
    environment: Mapping[str, str], *arguments: str, right: Sequence[int] = (0,)
) -> None:
    done = subprocess.run(
        command("windtunnel", *arguments),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in right:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise ExperimentError(f"windtunnel {arguments[0]}: {said[-1] if said else done.returncode}")


def _free_offset() -> int:
    while True:
        offset = random.randrange(3500, 9000)
        if all(_free(port + offset) for port in PORTS):
            return offset


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
