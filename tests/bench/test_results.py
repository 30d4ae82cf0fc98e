"""What a run leaves on disk is read back, whatever killed it."""

import resource
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import results
from bench.results import CELLS_FILE, RUN_FILE, ResultsError
from tests.bench.generate import Made, cells, info, write

SMALL = Made(stores=("sqlite/async/fast", "redis/async/fast"), rounds=2, samples=20)


def test_a_run_comes_back_as_it_was_written(tmp_path: Path) -> None:
    run = results.load(write(tmp_path / "run", SMALL))
    assert run.cells == cells(SMALL)
    assert run.info.stores == info(SMALL).stores
    assert run.info.finished is not None
    assert run.damaged == []


def test_the_keys_on_disk_are_those_of_the_format(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", SMALL)
    line = msgspec.json.decode((folder / CELLS_FILE).read_bytes().splitlines()[0])
    assert list(line) == [
        *("store", "variant", "target", "mix", "processes", "connections", "round", "users"),
        *("rate", "seconds", "throughput_rps", "operations", "cpu_s", "health", "flags", "void"),
    ]
    operation = line["operations"][0]
    assert list(operation) == ["operation", "pool", "outcome", "count", "service_us"]
    assert list(operation["service_us"]) == [
        "p50",
        "p90",
        "p95",
        "p99",
        "p99.9",
        "max",
        "histogram",
    ]
    assert list(line["cpu_s"]) == ["generator", "server", "database", "nginx"]
    run = msgspec.json.decode((folder / RUN_FILE).read_bytes())
    assert list(run) == [
        *("schema", "scenario", "started", "finished", "seed"),
        *("git", "host", "settings", "stores", "skipped"),
    ]


def test_an_unfinished_run_says_so(tmp_path: Path) -> None:
    run = results.load(write(tmp_path / "run", SMALL, finished=False))
    assert run.info.finished is None


@settings(max_examples=25)
@given(lost=st.integers(min_value=1, max_value=100_000))
def test_a_torn_last_line_costs_that_cell_alone(
    tmp_path_factory: pytest.TempPathFactory, lost: int
) -> None:
    folder = write(tmp_path_factory.mktemp("torn") / "run", SMALL)
    path = folder / CELLS_FILE
    whole = path.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    path.write_bytes(whole[: -min(lost, last)])
    run = results.load(folder)
    kept = cells(SMALL)
    if lost == 1:
        assert (run.cells, run.damaged) == (kept, [])
    else:
        assert run.cells == kept[:-1]
        assert len(run.damaged) == (lost < last)


def test_bytes_that_are_no_text_are_damage_not_a_crash(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", SMALL)
    with (folder / CELLS_FILE).open("ab") as file:
        file.write(b'\xff\xfe\x00{"store":\n{"store": 3}\n')
    run = results.load(folder)
    assert run.cells == cells(SMALL)
    assert len(run.damaged) == 2
    assert "line 5" in run.damaged[0]


def test_fields_of_later_versions_are_ignored(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", SMALL)
    path = folder / CELLS_FILE
    path.write_bytes(path.read_bytes().replace(b'{"store"', b'{"response_us":{"p50":1},"store"'))
    assert results.load(folder).cells == cells(SMALL)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", SMALL)
    path = folder / RUN_FILE
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 99'))
    with pytest.raises(ResultsError, match=r"schema 99.*upgrade"):
        results.load(folder)


def test_a_folder_that_holds_a_run_is_not_overwritten(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", SMALL)
    with pytest.raises(ResultsError, match="already holds a run"):
        results.create(folder, info(SMALL))
    assert results.load(folder).cells == cells(SMALL)


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"schema":1}', b"\xff"])
def test_a_folder_without_a_readable_run_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / RUN_FILE).write_bytes(content)
    with pytest.raises(ResultsError) as caught:
        results.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", SMALL)
    size = (folder / CELLS_FILE).stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, before[1]))
    try:
        with pytest.raises(ResultsError, match="cannot write"):
            results.append(folder, cells(SMALL)[0])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (folder / CELLS_FILE).stat().st_size == size
    assert results.load(folder).cells == cells(SMALL)


def test_a_cell_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="cannot write"):
        results.append(tmp_path / "gone", cells(SMALL)[0])
