"""What stands beside the cells of a run: second by second, and request by request."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from windtunnel.recording import jsonl
from windtunnel.recording.conditions import Conditions
from windtunnel.recording.results import LatencySummary

SERIES_FILE = "series.jsonl"
SAMPLES_FILE = "samples.jsonl"


class OperationSecond(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation got in a second: p50, p99 and max, no histogram."""

    operation: str
    pool: str = "fast"
    outcome: str
    count: int
    service_us: LatencySummary | None = None
    response_us: LatencySummary | None = None


class Second(Conditions, frozen=True, kw_only=True):
    """A line of `series.jsonl`: one second of a cell, `second` counted from its beginning."""

    second: float
    operations: list[OperationSecond] = []


class SampledRequest(Conditions, frozen=True, kw_only=True):
    """A line of `samples.jsonl`: one request, and where its time went, in microseconds.

    `parts_us` names generator, nginx, loop, wait, driver, handler; a part may be missing.
    """

    operation: str
    request_id: str | None = None
    service_us: float
    response_us: float | None = None
    parts_us: dict[str, float | None] = {}


def series(run_dir: Path, damaged: list[str]) -> Iterator[Second]:
    """Every second of every cell, in the order of writing; raises OSError."""
    return jsonl.read(run_dir / SERIES_FILE, Second, damaged)


def samples(run_dir: Path, damaged: list[str]) -> Iterator[SampledRequest]:
    """Every sampled request, in the order of writing; raises OSError."""
    return jsonl.read(run_dir / SAMPLES_FILE, SampledRequest, damaged)
