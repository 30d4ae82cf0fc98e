"""The files of a run on a disk that is full: cells go before what can be done without."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from windtunnel.recording import jsonl, results
from windtunnel.recording.results import Cell, ResultsError, RunInfo
from windtunnel.recording.run_folder import EXPENDABLE, RunFolder
from windtunnel.recording.series import Second

CELL = Cell(store="redis/async/fast", mix="read", seconds=1.0, throughput_rps=1.0)
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    results.create(tmp_path / "run", RunInfo(scenario="crud", started=datetime.now(UTC), seed=1))
    for name in EXPENDABLE:
        (tmp_path / "run" / name).touch()
    return tmp_path / "run"


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """A disk on which there is room for a cell once the samples and the series are gone."""
    append_whole = jsonl.append_whole

    def append(file: Path, data: bytes, *, create: bool = False) -> None:
        if (path / "series.jsonl").exists():
            raise FULL
        append_whole(file, data, create=create)

    monkeypatch.setattr(jsonl, "append_whole", append)


@pytest.mark.usefixtures("full")
def test_a_full_disk_costs_the_series_before_a_cell(path: Path) -> None:
    warnings: list[str] = []
    folder = RunFolder(path, warnings.append)
    folder.append(CELL)
    (cell,) = results.load(path).cells
    assert cell.flags == ["no series: No space left on device"]
    assert warnings == [f"{path}: no series from now on: No space left on device"]
    assert {name for name in EXPENDABLE if (path / name).exists()} == {"partial.jsonl"}
    folder.append_seconds([Second(store="redis/async/fast", second=0)])
    assert not (path / "series.jsonl").exists()


def test_a_cell_that_finds_no_room_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def append(file: Path, data: bytes, *, create: bool = False) -> None:
        raise FULL

    monkeypatch.setattr(jsonl, "append_whole", append)
    with pytest.raises(ResultsError, match="No space left on device"):
        RunFolder(path).append(CELL)
    assert not any((path / name).exists() for name in EXPENDABLE)


def test_a_disk_that_is_broken_costs_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def append(file: Path, data: bytes, *, create: bool = False) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(jsonl, "append_whole", append)
    with pytest.raises(ResultsError):
        RunFolder(path).append(CELL)
    assert all((path / name).exists() for name in EXPENDABLE)


def test_an_interval_log_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    warnings: list[str] = []
    RunFolder(tmp_path / "nowhere", warnings.append).log(CELL)
    assert len(warnings) == 1
