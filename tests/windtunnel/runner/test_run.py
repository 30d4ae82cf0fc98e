"""A run from the command line, against a server that is there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.server.conftest import Server, serving
from windtunnel.recording.results import Cell, Run, RunInfo, create, load
from windtunnel.recording.run_folder import RunFolder
from windtunnel.runner.cell_plan import NothingToMeasureError, Plan
from windtunnel.runner.request import check_slos
from windtunnel.runner.run import measure_until_clean

CELL_KEYS = {
    "store", "variant", "target", "mix", "processes", "process", "connections", "round", "attempt",
    "users", "rate", "slow_rate", "seconds", "throughput_rps", "operations", "cpu_s", "health",
    "flags", "void", "intended", "late", "skipped", "stale", "retried", "bystander", "streams",
}  # fmt: skip


@pytest.fixture
def host() -> Iterator[Server]:
    with serving() as server:
        yield server


def command(server: Server, into: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "windtunnel", "run", "crud", "--results", str(into),
        "--warmup", "0.1",
        "--duration", "0.3", "--host", f"http://127.0.0.1:{server.port}", *more,
    ]  # fmt: skip


def started(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )


def only_run(into: Path) -> Run:
    [folder] = into.iterdir()
    return load(folder)


def until_second_cell(process: subprocess.Popen[str], into: Path) -> None:
    """Wait until a cell is on disk that is not spoiled, so that the next one is under way."""
    while not any('"void":null' in path.read_text() for path in into.glob("*/cells.jsonl")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)  # between two looks at the disk


def generator_of(process: subprocess.Popen[str]) -> psutil.Process:
    [child] = psutil.Process(process.pid).children()
    return child


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, str, int]:
    into = tmp_path_factory.mktemp("results")
    with serving() as server:
        arguments = command(
            server, into, "--stores", "memory/*", "--users", "2,4", "--rounds", "2", "--mix", "read"
        )
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        return only_run(into), done.stdout, server.process.pid


def test_every_cell_of_every_round_is_measured(finished: tuple[Run, str, int]) -> None:
    run, _, _ = finished
    clean = [cell for cell in run.cells if cell.void is None]  # where time was stolen: once more
    measured = [(cell.store, cell.users, cell.round) for cell in clean]
    assert sorted(measured) == [
        (f"memory/{mode}/volatile", users, number)
        for mode in ("async", "blocking", "threads")
        for users in (2, 4)
        for number in (1, 2)
    ]
    assert {cell.attempt for cell in run.cells if cell.void is not None} <= {1, 2}
    assert all(cell.throughput_rps > 0 for cell in clean)


def test_a_line_of_cells_has_the_keys_that_readers_count_on(
    finished: tuple[Run, str, int],
) -> None:
    run, _, _ = finished
    lines = (run.path / "cells.jsonl").read_text().splitlines()
    for line in map(json.loads, lines):
        assert set(line) == CELL_KEYS
        assert set(line["cpu_s"]) == {"generator", "server", "database", "nginx"}
        for operation in line["operations"]:
            assert set(operation) == {
                "operation", "pool", "outcome", "count", "service_us", "response_us",
            }  # fmt: skip
            assert operation["response_us"] is None
            assert set(operation["service_us"]) == {
                "p50", "p90", "p95", "p99", "p99.9", "max", "histogram",
            }  # fmt: skip


def test_the_cpu_time_of_a_server_on_this_machine_is_counted(
    finished: tuple[Run, str, int],
) -> None:
    run, _, _ = finished
    assert all(cell.cpu_s.server and cell.cpu_s.generator for cell in run.cells)
    assert all(cell.cpu_s.database is None for cell in run.cells)


def test_run_json_says_what_the_figures_depend_on(finished: tuple[Run, str, int]) -> None:
    run, _, _ = finished
    told: dict[str, Any] = json.loads((run.path / "run.json").read_text())
    assert set(told) == {
        "schema", "scenario", "started", "finished", "seed", "git", "host", "settings", "stores",
        "skipped", "variants", "against",
    }  # fmt: skip
    assert told["finished"] > told["started"]
    assert told["stores"]["memory/async/volatile"]["connections"] == 10
    assert told["settings"]["users"] == [2, 4]


def test_the_ranking_is_printed_and_the_page_is_written(finished: tuple[Run, str, int]) -> None:
    run, printed, _ = finished
    assert "cell 1 of 12" in printed
    assert "memory/async/volatile" in printed
    assert (run.path / "report.html").exists()


def test_each_attempt_at_a_spoiled_cell_has_its_number(tmp_path: Path) -> None:
    info = RunInfo(scenario="crud", started=datetime.now(UTC), seed=1)
    create(tmp_path / "run", info)

    def measure(attempt: int) -> Cell:
        health = {"steal": 0.5 if attempt == 1 else 0.0}
        facts: dict[str, Any] = {"store": "redis/async/fast", "mix": "read", "round": 1}
        return Cell(**facts, attempt=attempt, seconds=1.0, throughput_rps=1.0, health=health)

    measure_until_clean(measure, RunFolder(tmp_path / "run"), "a cell", lambda _: None)
    cells = load(tmp_path / "run").cells
    assert [(cell.attempt, cell.void is None) for cell in cells] == [(1, False), (2, True)]


def test_ctrl_c_keeps_the_finished_cells_and_leaves_no_generator(
    host: Server, tmp_path: Path
) -> None:
    process = started(command(host, tmp_path, "--stores", "memory/*", "--rounds", "50"))
    until_second_cell(process, tmp_path)
    generator = generator_of(process)
    process.send_signal(signal.SIGINT)
    printed, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: windtunnel report" in printed
    assert "Traceback" not in printed + complaint
    generator.wait(timeout=30)
    run = only_run(tmp_path)
    assert run.cells
    assert run.info.finished is None


def test_a_killed_run_leaves_no_generator_and_a_readable_folder(
    host: Server, tmp_path: Path
) -> None:
    process = started(command(host, tmp_path, "--stores", "memory/*", "--rounds", "50"))
    until_second_cell(process, tmp_path)
    generator = generator_of(process)
    process.kill()
    process.communicate()
    generator.wait(timeout=30)
    run = only_run(tmp_path)
    assert run.cells
    assert not run.damaged


def test_a_generator_that_dies_is_one_line(host: Server, tmp_path: Path) -> None:
    process = started(command(host, tmp_path, "--stores", "memory/*", "--rounds", "50"))
    until_second_cell(process, tmp_path)
    generator_of(process).kill()
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 3
    assert complaint.splitlines() == ["windtunnel: the load generator ended with status -9"]


def test_cells_without_a_server_are_void_and_say_why(host: Server, tmp_path: Path) -> None:
    stores = ("--stores", "memory/async/*", "--rounds", "4")
    process = started(command(host, tmp_path, *stores, "--duration", "1"))
    until_second_cell(process, tmp_path)
    os.kill(host.process.pid, signal.SIGKILL)
    process.communicate(timeout=120)
    cells = {cell.round: cell for cell in only_run(tmp_path).cells}  # the last attempt at each
    assert list(cells) == [1, 2, 3, 4]
    assert cells[1].void is None
    assert "refused" in (cells[4].void or "")


def test_a_broken_objective_fails_the_run(host: Server, tmp_path: Path) -> None:
    stores = ("--stores", "memory/async/*", "--rounds", "1", "--duration", "1")
    met = command(host, tmp_path / "met", *stores, "--slo", "p50(read) < 50s on memory/*")
    assert subprocess.run(met, capture_output=True, check=False).returncode == 0
    broken = command(host, tmp_path / "broken", *stores, "--slo", "p50(read) < 0.001us on memory/*")
    done = subprocess.run(broken, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")


def test_an_objective_that_cannot_be_read_is_wrong_usage(host: Server, tmp_path: Path) -> None:
    done = subprocess.run(
        command(host, tmp_path, "--slo", "p99(read) <"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("windtunnel: Invalid value for '--slo': 'p99(read) <', place 12")
    assert not list(tmp_path.iterdir())


def test_an_open_load_records_both_latencies_and_what_was_intended(
    host: Server, tmp_path: Path
) -> None:
    arguments = command(
        host, tmp_path, "--stores", "memory/async/*", "--rounds", "1", "--rate", "100"
    )
    subprocess.run(arguments, capture_output=True, check=True)
    [cell] = [cell for cell in only_run(tmp_path).cells if cell.void is None]
    assert (cell.rate, cell.users) == (100, None)
    assert cell.intended == sum(one.count for one in cell.operations) + (cell.skipped or 0)
    assert all(one.response_us and one.response_us.histogram for one in cell.operations)


def test_a_second_server_is_measured_in_the_same_rounds(host: Server, tmp_path: Path) -> None:
    with serving() as other:
        arguments = command(
            host, tmp_path, "--stores", "memory/async/*", "--rounds", "2",
            "--against", f"http://127.0.0.1:{other.port}",
        )  # fmt: skip
        subprocess.run(arguments, capture_output=True, check=True)
    clean = [cell for cell in only_run(tmp_path).cells if cell.void is None]
    assert {(cell.variant, cell.round) for cell in clean} == {
        (variant, number) for variant in ("base", "against") for number in (1, 2)
    }


def test_rounds_go_on_until_the_time_for_precision_is_over(host: Server, tmp_path: Path) -> None:
    arguments = command(
        host, tmp_path, "--stores", "sqlite/*/fast", "--precision", "0.1%", "--max-time", "1"
    )
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert "time is over: " in done.stdout
    assert max(cell.round for cell in only_run(tmp_path).cells) == 6


@pytest.mark.parametrize(
    ("slo", "told"),
    [
        ("p50(response, read) < 1s on *", "closed load has no response time: give a --rate"),
        ("regression < 5%", "a regression takes two variants: give --against URL"),
        ("p50(find) < 1s on *", "give a --mix that has it, as --mix find"),
        ("p50(read) < 1s on nothing/*", "no store of this run matches: memory/async/volatile"),
        ("p50(read) < 1s", "memory is the zero of the scale: name it with `on memory/*`"),
    ],
)
def test_an_objective_that_cannot_be_judged_is_refused_before_the_run(
    host: Server, tmp_path: Path, slo: str, told: str
) -> None:
    stores = ("--stores", "memory/async/volatile")
    done = subprocess.run(
        command(host, tmp_path, *stores, "--slo", slo), capture_output=True, text=True, check=False
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert told in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_objective_on_a_store_that_is_down_says_why() -> None:
    down = Plan((), (), 1, 1, skipped={"redis/async/fast": "connection refused"})
    with pytest.raises(NothingToMeasureError, match=r"redis/async/fast: connection refused"):
        check_slos(["p50(read) < 1s on redis/*"], down)
