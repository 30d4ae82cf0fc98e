"""`tune.json` of a run: which divisions a tuner tried, what they measured, what the model said.

Times are in microseconds, rates in requests a second.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median

import msgspec

from windtunnel.recording.results import RUN_FILE, ResultsError, write_atomically

TUNE_FILE = "tune.json"


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate with its 95 % interval; None where nothing can be told."""

    estimate: float | None
    low: float | None = None
    high: float | None = None


class ObjectiveResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an objective: `margin` is how many times better than its limit."""

    slo: str
    kind: str
    found: float | None
    margin: float | None
    holds: bool


class SplitResult(msgspec.Struct, frozen=True, kw_only=True):
    """A division: measured, and `predicted_*` by the model for the same rounds.

    `pruned` says why it was given up, and after how many rounds.
    """

    name: str
    rounds: int
    fast_p99_us: Estimate
    slow_rps: Estimate
    predicted_fast_p99_us: Estimate
    predicted_slow_rps: Estimate
    objectives: list[ObjectiveResult] = []
    holds: bool
    front: bool = False
    pruned: str | None = None


class WorkProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out of a kind of work; `service_us` and `beside_us` are samples."""

    rate: float
    service_us: list[float]
    beside_us: list[float] = []
    poisson: bool = False
    cpu: float = 1.0
    holds: bool = True


class TuningResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a tuner found. `apply_s` and `clean_s` are what each change of the split took.

    Of so many `cells` those are `doubtful` in which the generator was the limit. `former` is None
    where that split was no division.
    """

    slos: list[str]
    former: str | None
    recommended: str | None
    ties: list[str] = []
    runner_up: str | None = None
    ratio: Estimate | None = None
    ended: str
    tried: list[SplitResult]
    fast: WorkProfile | None = None
    slow: WorkProfile | None = None
    cores: float | None = None
    apply_s: list[float] = []
    clean_s: list[float] = []
    applied: bool = False
    cells: int = 0
    doubtful: int = 0

    @property
    def holds(self) -> bool:
        """Whether what is recommended holds every objective."""
        return any(each.holds for each in self.tried if each.name == self.recommended)


def save(folder: Path, tuned: TuningResult) -> None:
    """Write it; raises ResultsError."""
    text = msgspec.json.format(msgspec.json.encode(tuned), indent=2)
    try:
        write_atomically(folder / TUNE_FILE, text + b"\n")
    except OSError as error:
        raise ResultsError(f"cannot write to {folder}: {error.strerror or error}") from error


def load(folder: Path) -> TuningResult | None:
    """What a tuner found in this run; None if none did. Raises ResultsError."""
    file = folder / TUNE_FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=TuningResult)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise ResultsError(f"{file} cannot be read: {error}") from error


def latest(results: Path) -> tuple[Path, TuningResult] | None:
    """The newest run under `results` that a tuner made; raises ResultsError."""
    folders = sorted(path.parent for path in results.glob(f"*/{TUNE_FILE}"))
    for folder in reversed(folders):
        found = load(folder)
        if found is not None and (folder / RUN_FILE).exists():
            return folder, found
    return None


class ModelError(msgspec.Struct, frozen=True, kw_only=True):
    """How far the model was from what was measured: shares of 1, of the measured fast p99.

    `median` and `worst` over the splits; the factor is symmetric, 0.25 is a quarter off either way.
    """

    splits: int
    median: float
    worst: float


def error(tried: Iterable[SplitResult]) -> ModelError | None:
    """The model's error on splits that were measured; None where there is nothing to compare."""
    factors = list(_factors(tried))
    if not factors:
        return None
    return ModelError(splits=len(factors), median=median(factors) - 1, worst=max(factors) - 1)


def _factors(tried: Iterable[SplitResult]) -> Iterator[float]:
    for each in tried:
        measured, said = each.fast_p99_us.estimate, each.predicted_fast_p99_us.estimate
        if measured and said and math.isfinite(measured) and math.isfinite(said):
            yield math.exp(abs(math.log(said / measured)))
