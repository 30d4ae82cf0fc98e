"""Runs `windtunnel run crud` as it is typed, and reads what it wrote."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.harness import ExperimentError
from benchmarks.processes import run_module
from windtunnel.recording import histogram, results, series
from windtunnel.recording.histogram import Histogram
from windtunnel.recording.results import OK, Cell, OperationResult, Run
from windtunnel.recording.series import SampledRequest

STORE: Final = "memory/async/volatile"


class Measurement(NamedTuple):
    """A run, and the requests that it kept in full."""

    run: Run
    samples: Sequence[SampledRequest]


def measure(url: str, *options: str) -> Measurement:
    """Measure reads of one store at `url`. Raises ExperimentError."""
    with tempfile.TemporaryDirectory(prefix="windtunnel-truth-") as parent:
        target = ("--host", url, "--stores", STORE, "--mix", "read", "--results", parent)
        run_module("windtunnel", "run", "crud", *target, *options)
        [folder] = Path(parent).iterdir()
        run = results.load(folder)
        return Measurement(run, list(series.samples(folder, run.damaged)))


def reads(cell: Cell) -> OperationResult:
    """The successful reads of a cell; raises ExperimentError where any failed or was skipped."""
    by_outcome = {result.outcome: result for result in cell.operations}
    if set(by_outcome) != {OK} or cell.skipped:
        outcomes = ", ".join(by_outcome) or "none"
        reason = cell.void or f"outcomes {outcomes}, {cell.skipped} skipped"
        raise ExperimentError(f"a cell is incomplete: {reason}")
    return by_outcome[OK]


def service_times(cells: Sequence[Cell]) -> Histogram:
    """The service times of all cells together, as a report merges them."""
    times = [reads(cell).service_us for cell in cells]
    return histogram.merge(histogram.decode(t.histogram or "") for t in times if t)


def response_times(cells: Sequence[Cell]) -> Histogram:
    """The response times of all cells together, as a report merges them."""
    times = [reads(cell).response_us for cell in cells]
    return histogram.merge(histogram.decode(t.histogram or "") for t in times if t)


def in_ms(us: float | None) -> str:
    """Write microseconds as milliseconds."""
    return "n/a" if us is None else f"{us / 1000:.2f} ms"
