"""What a run leaves on disk is read back, whatever killed it."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.windtunnel.generate import Made, cells, info, write
from tests.windtunnel.recording.full import files_up_to
from windtunnel.recording import results, series
from windtunnel.recording.results import CELLS_FILE, RUN_FILE, ResultsError

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
        *("mix", "users", "rate", "slow_rate", "processes", "variant", "store", "round", "attempt"),
        *("target", "process", "connections", "seconds", "throughput_rps", "operations"),
        *("intended", "late", "skipped", "stale", "retried", "bystander", "streams"),
        *("cpu_s", "health", "flags", "void"),
    ]
    operation = line["operations"][0]
    assert list(operation) == ["operation", "pool", "outcome", "count", "service_us", "response_us"]
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
        *("git", "host", "settings", "stores", "skipped", "variants", "against"),
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
    written = path.read_bytes()
    last = len(written.splitlines(keepends=True)[-1])
    path.write_bytes(written[: -min(lost, last)])
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
    path.write_bytes(path.read_bytes().replace(b'{"store"', b'{"colour":{"p50":1},"store"'))
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


def test_runs_that_begin_in_one_second_have_a_folder_each(tmp_path: Path) -> None:
    begun = [results.begin(tmp_path / "results", info(SMALL)) for _ in range(3)]
    first = begun[0].name
    assert [folder.name for folder in begun] == [first, f"{first}-2", f"{first}-3"]
    assert all(results.load(folder).cells == [] for folder in begun)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(ResultsError, match="cannot write"):
        results.begin(tmp_path / "results", info(SMALL))


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
    with files_up_to(size + 100), pytest.raises(ResultsError, match="cannot write"):
        results.append(folder, cells(SMALL)[0])
    assert (folder / CELLS_FILE).stat().st_size == size
    assert results.load(folder).cells == cells(SMALL)


def test_a_cell_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="cannot write"):
        results.append(tmp_path / "gone", cells(SMALL)[0])


def test_a_cell_of_an_older_version_still_loads(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", SMALL)
    path = folder / CELLS_FILE
    line = msgspec.json.decode(path.read_bytes().splitlines()[0])
    for name in ("intended", "late", "skipped", "stale", "retried", "bystander"):
        del line[name]
    for operation in line["operations"]:
        del operation["response_us"]
    path.write_bytes(msgspec.json.encode(line))
    assert results.load(folder).cells == cells(SMALL)[:1]


def test_what_was_seen_of_an_unfinished_cell_is_read_apart(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", SMALL, finished=False)
    line = msgspec.json.encode(cells(SMALL)[1])
    (folder / results.PARTIAL_FILE).write_bytes(line + b"\n" + line[:40])
    run = results.load(folder)
    assert (run.cells, run.partial) == (cells(SMALL), cells(SMALL)[1:2])
    assert run.damaged == ["partial.jsonl line 2: cut off, the run was killed while writing it"]


def test_series_and_samples_are_read_line_by_line(tmp_path: Path) -> None:
    second = {"store": "a/b/c", "mix": "balanced", "round": 1, "second": 3.0}
    counted = {"operation": "read", "outcome": "ok", "count": 4, "service_us": {"p50": 9}}
    sample = {"store": "a/b/c", "round": 1, "operation": "read", "service_us": 7.5}
    lines = msgspec.json.encode({**second, "operations": [counted]})
    (tmp_path / series.SERIES_FILE).write_bytes(lines + b"\n")
    (tmp_path / series.SAMPLES_FILE).write_bytes(msgspec.json.encode(sample) + b"\n{\n\n")
    damaged: list[str] = []
    (line,) = series.seconds(tmp_path, damaged)
    assert (line.operations[0].service_us, line.operations[0].response_us) == (
        series.SecondLatencies(p50=9),
        None,
    )
    assert [row.service_us for row in series.samples(tmp_path, damaged)] == [7.5]
    assert len(damaged) == 1
