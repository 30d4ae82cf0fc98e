"""`tune.json` of a run: the splits that a tuner tried, their figures, and the model's predictions.

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
    """An estimate with its 95 % interval; None where it is inconclusive."""

    estimate: float | None
    low: float | None = None
    high: float | None = None


class ObjectiveResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an objective: `margin` is how many times better than its limit."""

    slo: str
    kind: str
    found: float | None
    margin: float | None
    holds: bool


class SplitResult(msgspec.Struct, frozen=True, kw_only=True):
    """A split: measured, and `predicted_*` by the model for the same rounds.

    `pruned` says why it was dropped early, and after how many rounds.
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
    """The measured profile of a kind of work; `service_us` and `beside_us` are samples."""

    rate: float
    service_us: list[float]
    beside_us: list[float] = []
    poisson: bool = False
    cpu: float = 1.0
    holds: bool = True


class TuningResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a tuner. `apply_s` and `clean_s` are the durations of each change of the split.

    Of its `cells`, the generator was the limit in `doubtful` ones. `former` is None where the split
    before was not a plain layout of pools.
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
        """Whether the recommended split holds every objective."""
        return any(split.holds for split in self.tried if split.name == self.recommended)


def save(folder: Path, result: TuningResult) -> None:
    """Write the result of a tuner into the folder of its run; raises ResultsError."""
    text = msgspec.json.format(msgspec.json.encode(result), indent=2)
    try:
        write_atomically(folder / TUNE_FILE, text + b"\n")
    except OSError as error:
        raise ResultsError(f"cannot write to {folder}: {error.strerror or error}") from error


def load(folder: Path) -> TuningResult | None:
    """Return the result of the tuner that made this run; None if none did. Raises ResultsError."""
    file = folder / TUNE_FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=TuningResult)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise ResultsError(f"{file} cannot be read: {error}") from error


def latest_tuning_run(results_folder: Path) -> tuple[Path, TuningResult] | None:
    """Return the newest run under `results_folder` that a tuner made; raises ResultsError."""
    folders = sorted(path.parent for path in results_folder.glob(f"*/{TUNE_FILE}"))
    for folder in reversed(folders):
        result = load(folder)
        if result is not None and (folder / RUN_FILE).exists():
            return folder, result
    return None


class ModelError(msgspec.Struct, frozen=True, kw_only=True):
    """The error of the model against measurement: shares of 1, of the measured fast p99.

    `median` and `worst` over the splits; the factor is symmetric, 0.25 is a quarter off either way.
    """

    splits: int
    median: float
    worst: float


def model_error(splits: Iterable[SplitResult]) -> ModelError | None:
    """Return the model's error on measured splits; None where there is nothing to compare."""
    factors = list(_factors(splits))
    if not factors:
        return None
    return ModelError(splits=len(factors), median=median(factors) - 1, worst=max(factors) - 1)


def _factors(splits: Iterable[SplitResult]) -> Iterator[float]:
    for split in splits:
        measured, predicted = split.fast_p99_us.estimate, split.predicted_fast_p99_us.estimate
        if measured and predicted and math.isfinite(measured) and math.isfinite(predicted):
            yield math.exp(abs(math.log(predicted / measured)))
