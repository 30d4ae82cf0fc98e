"""`windtunnel run wsgi` as people type it, on a stack of its own, and its locustfile by hand."""

from __future__ import annotations

import csv
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.errors import StackError
from deploy.gunicorn import PORTS, gunicorns
from deploy.lifecycle import ensure_up
from deploy.services import Workspace
from deploy.stack import running
from tests.server.gunicorns import gunicorn
from tests.stacks import eventually, own_workspace
from windtunnel.analysis.keys import ledgers_by_key
from windtunnel.recording.results import Run, load
from windtunnel.runner.stack import slow_part

PROJECT = Path(__file__).parents[3]
VARIANTS = {
    "tornado-blocking": ("sqlite/blocking/fast", 1),
    "tornado-threads": ("sqlite/threads/fast", 10),
    "tornado-async": ("sqlite/async/fast", 10),
    "gunicorn-sync": ("sqlite/blocking/fast", 1),
    "gunicorn-gthread": ("sqlite/blocking/fast", 10),
    "gunicorn-tornado": ("sqlite/blocking/fast", 1),
}


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    with own_workspace() as workspace:
        ensure_up([], 1, 1, workspace=workspace)
        yield workspace


def started(workspace: Workspace, into: Path, *more: str) -> subprocess.Popen[str]:
    told = {"WINDTUNNEL_FOLDER": str(workspace.root), "WINDTUNNEL_OFFSET": str(workspace.offset)}
    given = ["--stores", "sqlite/*/fast", "--duration", "0.4", "--warmup", "0.1", "--rounds", "1"]
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "windtunnel",
            "run",
            "wsgi",
            "--results",
            str(into),
            *given,
            *more,
        ],
        cwd=PROJECT,
        env={**os.environ, **told},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def listening(workspace: Workspace) -> set[str]:
    found = set()
    for worker, port in PORTS.items():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port + workspace.offset)) == 0:
                found.add(worker)
    return found


@pytest.fixture(scope="module")
def finished(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, str]:
    into = tmp_path_factory.mktemp("results")
    with started(
        workspace, into, "--mix", "summary", "--mix", "sleep", "--sleep-ms", "7"
    ) as process:
        out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    [folder] = into.iterdir()
    return load(folder), out


def test_every_server_of_the_slow_part_is_measured(finished: tuple[Run, str]) -> None:
    run, _ = finished
    for mix in ("summary", "sleep"):
        cells = [cell for cell in run.cells if (cell.mix, cell.void) == (mix, None)]
        assert {cell.variant: (cell.store, cell.connections) for cell in cells} == VARIANTS
        assert len(cells) == len(VARIANTS)
    for cell in run.cells:
        assert (cell.rate, cell.target) == (40.0, "direct")
        assert {(each.operation, each.pool, each.outcome) for each in cell.operations} == {
            (cell.mix, "slow", "ok")
        }
        assert cell.cpu_s.server
        assert len(cell.bystander) == 1


def test_a_sleep_takes_as_long_as_it_was_asked_to(finished: tuple[Run, str]) -> None:
    run, _ = finished
    sleeps = [each for cell in run.cells for each in cell.operations if cell.mix == "sleep"]
    assert all(each.service_us and (each.service_us.p50 or 7e3) >= 7e3 for each in sleeps)


def test_each_is_a_process_of_its_own(finished: tuple[Run, str]) -> None:
    run, _ = finished
    processes = {str(cell.variant): cell.bystander[0].process for cell in run.cells}
    assert len({processes[name] for name in processes if name.startswith("tornado")}) == 1
    assert len(set(processes.values())) == 4


def test_the_variants_stand_in_one_ranking(finished: tuple[Run, str]) -> None:
    run, out = finished
    rows = {f"{variant} {store}" for variant, (store, _) in VARIANTS.items()}
    assert set(map(str, ledgers_by_key(run))) == rows
    assert {store for variant in run.info.variants.values() for store in variant} == {
        store for store, _ in VARIANTS.values()
    }
    for variant in VARIANTS:
        assert variant in out


def test_nothing_of_gunicorn_is_left(finished: tuple[Run, str], workspace: Workspace) -> None:
    assert listening(workspace) == set()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whatever_ends_a_run_stops_gunicorn_too(
    workspace: Workspace, tmp_path: Path, how: signal.Signals
) -> None:
    with started(workspace, tmp_path, "--rounds", "9") as process:
        eventually(lambda: any(p.stat().st_size for p in tmp_path.glob("*/cells.jsonl")), 90)
        assert listening(workspace) == set(PORTS)
        process.send_signal(how)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert "has the finished cells" in out
    assert listening(workspace) == set()


def test_a_killed_run_s_gunicorns_are_taken_over(workspace: Workspace, tmp_path: Path) -> None:
    with started(workspace, tmp_path, "--rounds", "9") as process:
        eventually(lambda: listening(workspace) == set(PORTS), 90)
        process.kill()
    stack = running(workspace)
    assert stack is not None
    left = {name: state.pid for name, state in stack.supervisor.states().items()}
    with gunicorns(stack) as found:
        assert set(found) == listening(workspace) == set(PORTS)
        now = {name: state.pid for name, state in stack.supervisor.states().items()}
        assert all(now[f"gunicorn-{worker}"] != left[f"gunicorn-{worker}"] for worker in PORTS)
    assert listening(workspace) == set()


def test_a_busy_port_is_one_line_and_3(workspace: Workspace, tmp_path: Path) -> None:
    port = PORTS["gthread"] + workspace.offset
    with socket.create_server(("127.0.0.1", port)), started(workspace, tmp_path) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert err.startswith(f"windtunnel: port {port} (gunicorn-gthread) is taken by ")
    assert err.count("\n") == 1
    assert listening(workspace) == set()


def test_a_split_without_a_slow_pool_is_told(workspace: Workspace) -> None:
    stack = running(workspace)
    assert stack is not None
    bare = replace(stack, state=replace(stack.state, programs={}))
    with pytest.raises(StackError, match="no pool slow: windtunnel split reset"), slow_part(bare):
        pass


def test_its_locustfile_loads_one_server_by_hand(tmp_path: Path) -> None:
    given = ["--headless", "-u", "4", "-t", "2s", "--csv", str(tmp_path / "run"), "--results", ""]
    what = ["locust", "-f", "locustfiles/wsgi.py", *given, "--stores", "memory/blocking/volatile"]
    with gunicorn("gthread", "--threads", "4") as server:
        command = [sys.executable, "-m", *what, "--host", f"http://127.0.0.1:{server.port}"]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "run_stats.csv").open() as file:
        rows = {row["Name"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"memory/blocking/volatile summary", "Aggregated"}
    assert int(rows["Aggregated"]["Request Count"]) > 0
    assert rows["Aggregated"]["Failure Count"] == "0"
