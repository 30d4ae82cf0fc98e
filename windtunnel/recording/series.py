"""What stands beside the cells of a run: the seconds of each, and sampled requests."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from windtunnel.recording import jsonl
from windtunnel.recording.conditions import Conditions

SERIES_FILE = "series.jsonl"
SAMPLES_FILE = "samples.jsonl"


class SecondLatencies(msgspec.Struct, frozen=True, kw_only=True):
    """Latencies in microseconds; a quantile with fewer than 10/(1-q) samples is None."""

    p50: float | None = None
    p99: float | None = None
    max: float | None = None


class OperationSecond(msgspec.Struct, frozen=True, kw_only=True):
    """The requests of an operation in a second: p50, p99 and max, no histogram."""

    operation: str
    pool: str | None = "fast"
    outcome: str
    count: int
    service_us: SecondLatencies | None = None
    response_us: SecondLatencies | None = None


class Second(Conditions, frozen=True, kw_only=True):
    """A line of `series.jsonl`: one second of a cell, `second` counted from the cell's start."""

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


def seconds(folder: Path, damaged: list[str]) -> Iterator[Second]:
    """Yield every second of every cell, in the order of writing; raises OSError."""
    return jsonl.read(folder / SERIES_FILE, Second, damaged)


def samples(folder: Path, damaged: list[str]) -> Iterator[SampledRequest]:
    """Yield every sampled request, in the order of writing; raises OSError."""
    return jsonl.read(folder / SAMPLES_FILE, SampledRequest, damaged)
