"""Do several processes together count what one process counts?

`python -m validation.merge PART PARTS COUNT` records one part of the same requests, and writes it
as a worker reports it to its master.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Final

from benchmarks.harness import Check
from benchmarks.processes import ROOT, command
from validation.synthetic import MILLION, record, synthetic_requests
from windtunnel.recording.recorder import Histograms, merge_into
from windtunnel.runner import collector

PARTS: Final = 4
SEED: Final = "merge"
STORE: Final = "engine/async/fast"


def merge(quick: bool) -> Iterator[Check]:
    """Four processes that record a quarter each, against one that records all."""
    count = MILLION // 10 if quick else MILLION
    single = record(synthetic_requests(count, SEED), STORE)
    merged: Histograms = {}
    for report in _worker_reports(count):
        for second in collector.decode(report).seconds.values():
            merge_into(merged, dict(second))
    merged_count = sum(latencies.service.count for latencies in merged.values())
    figures, merged_figures = _figures(single), _figures(merged)
    yield Check(
        f"merge: counts of {PARTS} processes",
        f"{merged_count:,}",
        "equal",
        merged_count == count,
        expected=f"{count:,}",
    )
    yield Check(
        "merge: percentiles and histograms",
        f"{sum(value == figures.get(key) for key, value in merged_figures.items())} the same",
        "equal",
        figures == merged_figures and single == merged,
        expected=f"{len(figures)} as of one process",
    )


def _worker_reports(count: int) -> list[bytes]:
    workers = [
        subprocess.Popen(
            command("validation.merge", str(part), str(PARTS), str(count)),
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        for part in range(PARTS)
    ]
    return [worker.communicate(timeout=120)[0] for worker in workers]


def _figures(histograms: Histograms) -> dict[tuple[str, str, str], object]:
    return {
        (key.operation, latency, name): figure
        for key, latencies in histograms.items()
        for latency, histogram in latencies._asdict().items()
        for name, figure in histogram.as_dict().items()
    }


def worker_report(part: int, parts: int, count: int) -> bytes:
    """Record every `parts`-th request from `part` on, and return the worker's report."""
    histograms = record(islice(synthetic_requests(count, SEED), part, None, parts), STORE)
    return collector.encode(collector.Report({0: list(histograms.items())}, {}, {}))


if __name__ == "__main__":
    sys.stdout.buffer.write(worker_report(*map(int, sys.argv[1:4])))
