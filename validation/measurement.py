"""Runs `windtunnel run crud` as it is typed, and reads what it wrote."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from validation.processes import ROOT, command
from validation.verdict import ExperimentError
from windtunnel.recording import histogram, results, streams
from windtunnel.recording.histogram import Histogram
from windtunnel.recording.results import OK, Cell, OperationResult, Run
from windtunnel.recording.streams import SampledRequest

STORE = "memory/async/volatile"


class Measured(NamedTuple):
    """What a run wrote."""

    run: Run
    samples: Sequence[SampledRequest]


def measure(url: str, *arguments: str) -> Measured:
    """Measure reads of one store at `url`. Raises ExperimentError."""
    with tempfile.TemporaryDirectory(prefix="windtunnel-truth-") as into:
        options = ("--host", url, "--stores", STORE, "--mix", "read", "--results", into)
        done = subprocess.run(
            command("windtunnel", "run", "crud", *options, *arguments),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise ExperimentError(f"windtunnel run: {said[-1] if said else done.returncode}")
        [folder] = Path(into).iterdir()
        run = results.load(folder)
        return Measured(run, list(streams.samples(folder, run.damaged)))


def reads(cell: Cell) -> OperationResult:
    """What the reads of a cell got; raises ExperimentError where any failed or was not sent."""
    outcomes = {result.outcome: result for result in cell.operations}
    if set(outcomes) != {OK} or cell.skipped:
        why = cell.void or f"outcomes {', '.join(outcomes) or 'none'}, {cell.skipped} skipped"
        raise ExperimentError(f"a cell is not whole: {why}")
    return outcomes[OK]


def service(cells: Sequence[Cell]) -> Histogram:
    """The service times of all cells together, as a report merges them."""
    found = [reads(cell).service_us for cell in cells]
    return histogram.merge(histogram.decode(t.histogram or "") for t in found if t)


def response(cells: Sequence[Cell]) -> Histogram:
    """The response times of all cells together, as a report merges them."""
    found = [reads(cell).response_us for cell in cells]
    return histogram.merge(histogram.decode(t.histogram or "") for t in found if t)
