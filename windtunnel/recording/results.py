"""The results of a run on disk, `results/<run>/run.json` and `cells.jsonl`: written and read.

A finished cell is one line, appended with a single write and fsync'd, so that a crash costs no more
than the cell under way; `partial.jsonl` has what was measured of that one so far.
Fields unknown to this version are ignored on reading; fields unknown to an older one are optional.
"""

import os
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from windtunnel.errors import SetupError
from windtunnel.recording import jsonl
from windtunnel.recording.conditions import Conditions

SCHEMA = 1
RUN_FILE = "run.json"
CELLS_FILE = "cells.jsonl"
PARTIAL_FILE = "partial.jsonl"
OK = "ok"


class ResultsError(SetupError):
    """A results folder that cannot be read or written; the message is one line for the user."""


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """What a store promises and how it is reached, as the server's `/stores` describes it.

    `not_available` maps an operation that the engine lacks to the reason; `reference` is whether
    it has no database behind it, None where the server does not say.
    """

    driver: str = ""
    server: str | None = None
    promise: str = ""
    survives_process_crash: bool | None = None
    survives_host_crash: bool | None = None
    connections: int | None = None
    round_trips: dict[str, float] = {}
    codec: str = ""
    transport: str = ""
    notes: list[str] = []
    not_available: dict[str, str] = {}
    reference: bool | None = None


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """`run.json`: everything a figure of the run depends on, apart from the cells.

    `stores` maps a store's id to its ledger, `skipped` an id to the reason it was not measured;
    `variants` the ledgers of each variant's server by its name (`against`: of the second, in older
    files);
    `finished` is None while the run goes on, and stays None when it was killed.
    """

    schema: int = SCHEMA
    scenario: str
    started: datetime
    finished: datetime | None = None
    seed: int
    git: dict[str, Any] = {}
    host: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    stores: dict[str, Ledger] = {}
    skipped: dict[str, str] = {}
    variants: dict[str, dict[str, Ledger]] = {}
    against: dict[str, Ledger] = {}


class LatencySummary(msgspec.Struct, frozen=True, kw_only=True, rename={"p99_9": "p99.9"}):
    """Latencies in microseconds; a quantile with fewer than 10/(1-q) samples is None.

    `histogram` is an HdrHistogram, V2 compressed, base64: 1 us to 60 s, 3 significant digits.
    """

    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p99_9: float | None = None
    max: float | None = None
    histogram: str | None = None


class OperationResult(msgspec.Struct, frozen=True, kw_only=True):
    """The requests of one operation in a cell with one pool and outcome ("ok" or a failure).

    There are response times under open load only.
    """

    operation: str
    pool: str | None = "fast"
    outcome: str = OK
    count: int
    service_us: LatencySummary | None = None
    response_us: LatencySummary | None = None


class BystanderResult(msgspec.Struct, frozen=True, kw_only=True):
    """The response times of light requests to a process while the cell was measured."""

    process: str
    pool: str | None = None
    intended: int
    failed: int = 0
    response_us: LatencySummary | None = None


class CpuSeconds(msgspec.Struct, frozen=True, kw_only=True):
    """CPU seconds that each group of processes used in a cell; None where they were not visible."""

    generator: float | None = None
    server: float | None = None
    database: float | None = None
    nginx: float | None = None


class StreamResult(msgspec.Struct, frozen=True, kw_only=True):
    """One of several streams of a cell: its rate, its work, and how its schedule was kept."""

    rate: float
    work: str
    operations: list[str]
    intended: int | None = None
    late: int | None = None
    skipped: int | None = None


class Cell(Conditions, frozen=True, kw_only=True):
    """A line of `cells.jsonl`: what was measured under these conditions.

    `void` says why the cell does not count, `flags` what makes it doubtful; `health` holds shares
    of 1 such as `steal`. Of the requests `intended` under open load, `late` were sent more than
    2 ms after their scheduled start, and `skipped` were never sent, as too many were in flight;
    `stale` and `retried` count closed connections. Where a scenario has several `streams`, `rate`
    is that of the first. `target` is the address that was loaded, `process` the one that was
    loaded directly, as its `bystander` calls it; None behind nginx, and in older files.
    """

    target: str | None = None
    process: str | None = None
    connections: int | None = None
    seconds: float
    throughput_rps: float
    operations: list[OperationResult] = []
    intended: int | None = None
    late: int | None = None
    skipped: int | None = None
    stale: int | None = None
    retried: int | None = None
    bystander: list[BystanderResult] = []
    streams: dict[str, StreamResult] = {}
    cpu_s: CpuSeconds = CpuSeconds()
    health: dict[str, Any] = {}
    flags: list[str] = []
    void: str | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run as read back; `damaged` describes each line of its cells that could not be read.

    `partial` has what was measured of cells that were never finished; they count for nothing.
    """

    path: Path
    info: RunInfo
    cells: list[Cell]
    damaged: list[str]
    partial: list[Cell] = []


def begin(into: Path, info: RunInfo) -> Path:
    """Create a folder in `into` for a run that begins, and return it; raises ResultsError.

    It is named by time and scenario; a second run of the same second gets the suffix `-2`.
    """
    name = f"{info.started:%Y-%m-%dT%H-%M-%S}-{info.scenario}"
    for attempt in count(1):
        folder = into / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            folder.mkdir(parents=True)
            break
        except FileExistsError:
            continue
        except OSError as error:
            raise _write_error(folder, error) from error
    create(folder, info)
    return folder


def create(folder: Path, info: RunInfo) -> None:
    """Create a results folder; raises ResultsError if it holds a run, or on a disk error."""
    if (folder / RUN_FILE).exists():
        raise ResultsError(f"{folder} already holds a run: choose another name or remove it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CELLS_FILE).touch()
    except OSError as error:
        raise _write_error(folder, error) from error
    _write_info(folder, info)


def append(folder: Path, cell: Cell) -> None:
    """Append a finished cell, synced before returning, or not at all; raises ResultsError."""
    try:
        jsonl.append_whole(folder / CELLS_FILE, msgspec.json.encode(cell) + b"\n")
    except OSError as error:
        raise _write_error(folder, error) from error


def finish(folder: Path, info: RunInfo) -> None:
    """Rewrite `run.json` with `finished` set (now, unless `info` has it); raises ResultsError."""
    finished = info.finished or datetime.now(UTC)
    _write_info(folder, msgspec.structs.replace(info, finished=finished))


def load(folder: Path) -> Run:
    """Read a run; a line that is damaged, as of a killed run, is left out. Raises ResultsError."""
    info = _read_info(folder)
    damaged: list[str] = []
    try:
        cells = list(jsonl.read(folder / CELLS_FILE, Cell, damaged))
        partial = list(jsonl.read(folder / PARTIAL_FILE, Cell, damaged))
    except OSError as error:
        raise ResultsError(f"{error.filename} cannot be read: {error.strerror}") from error
    return Run(path=folder, info=info, cells=cells, damaged=damaged, partial=partial)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file: a reader sees the old or the new content, never a part. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _write_info(folder: Path, info: RunInfo) -> None:
    try:
        text = msgspec.json.format(msgspec.json.encode(info), indent=2)
        write_atomically(folder / RUN_FILE, text + b"\n")
    except OSError as error:
        raise _write_error(folder, error) from error


def _read_info(folder: Path) -> RunInfo:
    try:
        data = (folder / RUN_FILE).read_bytes()
        info = msgspec.json.decode(data, type=RunInfo)
    except FileNotFoundError as error:
        raise ResultsError(f"{folder} is no run: it has no {RUN_FILE}") from error
    except (OSError, msgspec.DecodeError) as error:
        raise ResultsError(f"{folder / RUN_FILE} cannot be read: {error}") from error
    if info.schema > SCHEMA:
        raise ResultsError(
            f"{folder} has schema {info.schema}, this version reads up to {SCHEMA}: upgrade first"
        )
    return info


def _write_error(folder: Path, error: OSError) -> ResultsError:
    return ResultsError(f"cannot write to {folder}: {error.strerror or error}")
