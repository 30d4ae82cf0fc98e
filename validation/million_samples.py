"""Many samples: is their report there soon, and do several processes count what one would?

`python -m validation.million_samples PART PARTS NUMBER` records one part of the same samples, and
writes it as a worker reports it to its master.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import msgspec

from validation.processes import ROOT, command
from validation.verdict import ExperimentError, Verdict
from windtunnel.analysis.breakdown import PART_NAMES
from windtunnel.client.response import OK
from windtunnel.recording import environment, hlog, results
from windtunnel.recording.conditions import Conditions
from windtunnel.recording.recorder import Histograms, Recorder, merge_into
from windtunnel.recording.results import Cell, RunInfo
from windtunnel.recording.run_folder import RunFolder
from windtunnel.recording.streams import OperationSecond, SampledRequest, Second
from windtunnel.runner import collector
from windtunnel.runner.totals import measured

MILLION = 1_000_000
REPORT_WITHIN_S = 3.0
ROUNDS, RATE = 6, 1000.0
SAMPLES = 50
"""Requests of every second that a run keeps whole."""

STORES = tuple(f"engine-{number}/async/fast" for number in range(5))
OPERATIONS = ("create", "read", "edit", "delete")
PARTS = 4


class Sample(NamedTuple):
    """One request: operation, service and response time in microseconds."""

    operation: str
    service_us: float
    response_us: float


def made(number: int, seed: str) -> Iterator[Sample]:
    """Make up so many samples with a long tail; the same seed gives the same ones."""
    draw = random.Random(seed)
    for _ in range(number):
        service = draw.lognormvariate(7, 1)
        yield Sample(draw.choice(OPERATIONS), service, service + draw.expovariate(1 / 200))


def recorded(samples: Iterator[Sample], store: str) -> Histograms:
    """Record samples."""
    recorder = Recorder()
    for operation, service, response in samples:
        recorder.record(store, operation, "fast", OK, service, response)
    return recorder.take()


# -- the report ---------------------------------------------------------------------------------


def samples(quick: bool) -> Iterator[Verdict]:  # noqa: ARG001
    """Report on 1,000,000 recorded samples, as typed: `windtunnel report`, start and all."""
    with tempfile.TemporaryDirectory(prefix="windtunnel-truth-") as parent:
        folder = Path(parent) / "run"
        number = _write(folder)
        began = perf_counter()
        done = subprocess.run(
            command("windtunnel", "report", str(folder)),
            cwd=ROOT,
            capture_output=True,
            check=False,
        )
        seconds = perf_counter() - began
        if done.returncode or not (folder / "report.html").is_file():
            raise ExperimentError(f"windtunnel report failed: {done.stderr.decode()[-200:]}")
    yield Verdict(
        f"samples: the report on {number:,}",
        f"{MILLION:,} samples",
        f"{seconds:.2f} s",
        f"under {REPORT_WITHIN_S:g} s",
        number == MILLION and seconds < REPORT_WITHIN_S,
    )


def _write(folder: Path) -> int:
    """Write a run with a million samples; return how many its cells hold."""
    ledgers = {store: results.Ledger() for store in STORES}
    info = RunInfo(
        scenario="crud",
        started=datetime.now(UTC),
        seed=1,
        git=environment.git(ROOT),
        host=environment.gather(),
        stores=ledgers,
    )
    results.create(folder, info)
    shares = [(store, number) for number in range(1, ROUNDS + 1) for store in STORES]
    written = 0
    for place, (store, number) in enumerate(shares):
        count = MILLION * (place + 1) // len(shares) - MILLION * place // len(shares)
        cell = _cell(store, number, count)
        results.append(folder, cell)
        hlog.append(folder, cell)
        _beside(folder, cell)
        written += sum(result.count for result in cell.operations)
    results.finish(folder, info)
    return written


def _beside(folder: Path, cell: Cell) -> None:
    """Write what stands beside a cell: a line a second, and as many samples as a run keeps."""
    run_folder, conditions = RunFolder(folder), msgspec.structs.asdict(cell.conditions)
    operations = msgspec.convert(cell.operations, list[OperationSecond], from_attributes=True)
    run_folder.append_seconds(
        Second(**conditions, second=second, operations=operations)
        for second in range(int(cell.seconds))
    )
    draw = random.Random(f"{cell.store} {cell.round}")
    run_folder.append_samples(
        SampledRequest(**conditions, **_sample(draw)) for _ in range(int(SAMPLES * cell.seconds))
    )


def _sample(draw: random.Random) -> dict[str, Any]:
    parts_us = {name: draw.expovariate(1 / 200) for name in PART_NAMES}
    total_us = sum(parts_us.values())
    return {
        "operation": draw.choice(OPERATIONS),
        "request_id": f"{draw.getrandbits(64):x}",
        "service_us": total_us,
        "response_us": total_us,
        "parts_us": parts_us,
    }


def _cell(store: str, number: int, count: int) -> Cell:
    counted = recorded(made(count, f"{store} {number}"), store)
    conditions = Conditions(store=store, mix="balanced", round=number, rate=RATE)
    return Cell(
        **msgspec.structs.asdict(conditions),
        **measured(counted, count / RATE),
        intended=count,
        late=0,
        skipped=0,
    )


# -- several processes --------------------------------------------------------------------------


def merging(quick: bool) -> Iterator[Verdict]:
    """Let four processes record a quarter each, and one record all."""
    number = MILLION // 10 if quick else MILLION
    alone = recorded(made(number, "merge"), STORES[0])
    total: Histograms = {}
    for report in _reports(number):
        for entries in collector.decode(report).seconds.values():
            merge_into(total, dict(entries))
    counts = sum(times.service.count for times in total.values())
    one, four = _figures(alone), _figures(total)
    yield Verdict(
        "merge: counts of 4 processes",
        f"{number:,}",
        f"{counts:,}",
        "equal",
        counts == number,
    )
    yield Verdict(
        "merge: percentiles and histograms",
        f"{len(one)} as of one process",
        f"{sum(found == one.get(what) for what, found in four.items())} the same",
        "equal",
        one == four and alone == total,
    )


def _reports(number: int) -> list[bytes]:
    workers = [
        subprocess.Popen(
            command("validation.million_samples", str(part), str(PARTS), str(number)),
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        for part in range(PARTS)
    ]
    return [worker.communicate(timeout=120)[0] for worker in workers]


def _figures(counted: Histograms) -> dict[tuple[str, str, str], object]:
    return {
        (key.operation, latency, name): figure
        for key, times in counted.items()
        for latency, histogram in times._asdict().items()
        for name, figure in histogram.as_dict().items()
    }


def worker(part: int, parts: int, number: int) -> bytes:
    """Record one part, and return the report of it."""
    share = recorded(islice(made(number, "merge"), part, None, parts), STORES[0])
    return collector.encode(collector.Report({0: list(share.items())}, {}, {}))


if __name__ == "__main__":
    sys.stdout.buffer.write(worker(*map(int, sys.argv[1:4])))
