"""A run of a million samples: is its report there within seconds?"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import msgspec

from benchmarks.harness import Check, ExperimentError
from benchmarks.processes import ROOT, run_module
from validation.synthetic import MILLION, OPERATIONS, record, synthetic_requests
from windtunnel.analysis.breakdown import PART_NAMES
from windtunnel.recording import environment, hlog, results
from windtunnel.recording.conditions import Conditions
from windtunnel.recording.results import Cell, RunInfo
from windtunnel.recording.run_folder import RunFolder
from windtunnel.recording.series import OperationSecond, SampledRequest, Second
from windtunnel.runner.totals import measured

REPORT_LIMIT_S: Final = 3.0
ROUNDS, RATE = 6, 1000.0
SAMPLES_PER_SECOND: Final = 50
"""Requests of every second that a run keeps in full."""

STORES: Final = tuple(f"engine-{number}/async/fast" for number in range(5))


def samples(quick: bool) -> Iterator[Check]:  # noqa: ARG001
    """Report on 1,000,000 recorded samples, as typed: `windtunnel report`, start and all."""
    with tempfile.TemporaryDirectory(prefix="windtunnel-truth-") as parent:
        folder = Path(parent) / "run"
        count = _write_run(folder)
        start = perf_counter()
        run_module("windtunnel", "report", str(folder))
        duration_s = perf_counter() - start
        if not (folder / "report.html").is_file():
            raise ExperimentError("windtunnel report wrote no report.html")
    yield Check(
        f"samples: the report on {count:,}",
        f"{duration_s:.2f} s",
        f"under {REPORT_LIMIT_S:g} s",
        count == MILLION and duration_s < REPORT_LIMIT_S,
        expected=f"{MILLION:,} samples",
    )


def _write_run(folder: Path) -> int:
    """Write a run with a million samples; return how many its cells hold."""
    info = RunInfo(
        scenario="crud",
        started=datetime.now(UTC),
        seed=1,
        git=environment.git(ROOT),
        host=environment.gather(),
        stores={store: results.Ledger() for store in STORES},
    )
    results.create(folder, info)
    pairs = [(store, number) for number in range(1, ROUNDS + 1) for store in STORES]
    written = 0
    for index, (store, number) in enumerate(pairs):
        count = MILLION * (index + 1) // len(pairs) - MILLION * index // len(pairs)
        cell = _cell(store, number, count)
        results.append(folder, cell)
        hlog.append(folder, cell)
        _write_series(folder, cell)
        written += sum(result.count for result in cell.operations)
    results.finish(folder, info)
    return written


def _write_series(folder: Path, cell: Cell) -> None:
    """Write a line for each second of a cell, and as many samples as a run keeps."""
    run_folder, conditions = RunFolder(folder), msgspec.structs.asdict(cell.conditions)
    operations = msgspec.convert(cell.operations, list[OperationSecond], from_attributes=True)
    run_folder.append_seconds(
        Second(**conditions, second=second, operations=operations)
        for second in range(int(cell.seconds))
    )
    generator = random.Random(f"{cell.store} {cell.round}")
    run_folder.append_samples(
        SampledRequest(**conditions, **_sample(generator))
        for _ in range(int(SAMPLES_PER_SECOND * cell.seconds))
    )


def _sample(generator: random.Random) -> dict[str, Any]:
    parts_us = {name: generator.expovariate(1 / 200) for name in PART_NAMES}
    total_us = sum(parts_us.values())
    return {
        "operation": generator.choice(OPERATIONS),
        "request_id": f"{generator.getrandbits(64):x}",
        "service_us": total_us,
        "response_us": total_us,
        "parts_us": parts_us,
    }


def _cell(store: str, number: int, count: int) -> Cell:
    histograms = record(synthetic_requests(count, f"{store} {number}"), store)
    conditions = Conditions(store=store, mix="balanced", round=number, rate=RATE)
    return Cell(
        **msgspec.structs.asdict(conditions),
        **measured(histograms, count / RATE),
        intended=count,
        late=0,
        skipped=0,
    )
