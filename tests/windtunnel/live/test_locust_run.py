"""A test under Locust is a run on disk, whoever recorded it and however it ended."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.stacks import eventually
from tests.windtunnel.interface import PATIENCE, free_port, locust
from tests.windtunnel.served import ROOT, Server, server
from windtunnel.analysis.analyse import analyse
from windtunnel.recording import results, series
from windtunnel.recording.run_folder import EXPENDABLE

STORES = ("memory/async/volatile", "memory/blocking/volatile")


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    with server() as started:
        yield started


def command(served: Server, folder: Path, *more: object) -> list[str]:
    port = free_port()
    return locust(
        *("--headless", "-u", 4, "--only-summary", "--stores", *STORES, "--host", served.url),
        *("--results", folder, "--master-bind-port", port, "--master-port", port, *more),
    )


def seconds(run: Path) -> Counter[str]:
    counted: Counter[str] = Counter()
    for line in (run / "series.jsonl").read_text().splitlines():
        second = json.loads(line)
        counted[second["store"]] += sum(entry["count"] for entry in second["operations"])
    return counted


@pytest.mark.parametrize("processes", [1, 4])
@pytest.mark.parametrize("load", [(), ("--rate", 100)], ids=["closed", "open"])
def test_a_test_is_a_run_with_a_cell_for_each_store(
    served: Server, tmp_path: Path, processes: int, load: tuple[object, ...]
) -> None:
    more = ("--processes", processes) if processes > 1 else ()
    csv = ("--csv", tmp_path / "stats")
    done = subprocess.run(
        command(served, tmp_path, "-t", "2s" if processes == 1 else "4s", *csv, *load, *more),
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.glob("*-crud")
    assert f"recorded: windtunnel report {folder}" in done.stderr
    run = results.load(folder)
    assert run.info.finished
    assert set(run.info.stores) == {cell.store for cell in run.cells} == set(STORES)
    assert not run.partial
    assert not (folder / "partial.jsonl").exists()
    for cell in run.cells:
        assert all(bool(entry.response_us) == bool(load) for entry in cell.operations)
        counted = sum(entry.count for entry in cell.operations)
        assert counted == seconds(folder)[cell.subject] > 0
        if load:
            assert cell.rate == 100
            assert cell.intended == counted
        else:
            assert (cell.users, cell.intended) == (4, None)
        allowed = ("the generator was the limit", "more than 5% of the machine was stolen")
        assert all(flag.startswith(allowed) for flag in cell.flags)
        assert [bystander.process for bystander in cell.bystander] == [
            served.url.partition("://")[2]
        ]
        assert sum(bystander.intended - bystander.failed for bystander in cell.bystander) > 0
        assert {"steal", "generator_cpu", "lag_p99_ms", "descriptors"} <= set(cell.health)
        assert cell.cpu_s == results.CpuSeconds()  # of stores that are loaded at once
    samples = list(series.samples(folder, []))
    assert {sample.store for sample in samples} == set(STORES)
    assert all(sample.parts_us["handler"] for sample in samples)
    shown = subprocess.run(
        [sys.executable, "-m", "windtunnel", "report", str(folder)],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0, shown.stderr


def test_a_killed_test_is_readable(served: Server, tmp_path: Path) -> None:
    with subprocess.Popen(
        command(served, tmp_path, "--rate", 50), cwd=ROOT, stderr=subprocess.DEVNULL
    ) as process:
        until = time.monotonic() + PATIENCE
        while not list(tmp_path.glob("*/partial.jsonl")) and time.monotonic() < until:
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    (folder,) = tmp_path.glob("*-crud")
    run = results.load(folder)
    assert run.info.finished is None
    assert not run.cells
    assert {cell.store for cell in run.partial} == set(STORES)
    assert all("incomplete" in cell.flags[0] for cell in run.partial)
    assert seconds(folder).total() > 0
    shown = analyse(run).summary.incomplete
    assert {result.store for result in shown} == set(STORES)
    assert sum(result.count for result in shown) == sum(
        result.count for cell in run.partial for result in cell.operations if result.outcome == "ok"
    )
    for cell in run.partial:
        assert cell.intended
        assert None not in (cell.late, cell.skipped, cell.stale, cell.retried)
        assert cell.bystander


def test_a_test_of_one_store_knows_whose_cpu_time_it_took(served: Server, tmp_path: Path) -> None:
    more = ("-t", "3s", "--rate", 100, "--stores", STORES[0])
    done = subprocess.run(
        locust("--headless", "--host", served.url, "--results", tmp_path, *more),
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.glob("*-crud")
    (cell,) = results.load(folder).cells
    assert cell.cpu_s.server
    assert cell.cpu_s.generator
    assert cell.cpu_s.database == 0  # memory has none
    assert cell.cpu_s.nginx is None  # it was loaded straight


def test_what_a_killed_worker_did_not_send_is_counted_and_flagged(
    served: Server, tmp_path: Path
) -> None:
    with subprocess.Popen(
        command(served, tmp_path, "--processes", 2, "--rate", 100),
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    ) as process:

        def under_way() -> str:
            return "".join(bystander.read_text() for bystander in tmp_path.glob("*/partial.jsonl"))

        eventually(under_way)
        psutil.Process(process.pid).children()[0].kill()
        eventually(lambda: "a worker was lost at second " in under_way())
        process.send_signal(signal.SIGINT)
    (folder,) = tmp_path.glob("*-crud")
    cells = results.load(folder).cells
    for cell in cells:
        assert [flag for flag in cell.flags if flag.startswith("a worker was lost at second ")]
        answered = sum(entry.count for entry in cell.operations)
        assert (cell.intended or 0) - (cell.skipped or 0) >= answered
    # half of the rate, for as long as a worker may be silent
    assert sum(cell.skipped or 0 for cell in cells) > 100


def ended(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, args)), check=False, cwd=ROOT, capture_output=True, text=True
    )


def test_the_cpu_time_of_a_server_that_ended_is_not_said_to_be_known(tmp_path: Path) -> None:
    with ExitStack() as servers:
        first = servers.enter_context(server())
        more = ("--rate", 50, "--host", first.url, "--stores", STORES[0])
        with subprocess.Popen(
            locust("--headless", "--results", tmp_path, *more), cwd=ROOT, stderr=subprocess.DEVNULL
        ) as process:
            until = time.monotonic() + PATIENCE
            while not list(tmp_path.glob("*/partial.jsonl")) and time.monotonic() < until:
                time.sleep(0.1)
            first.kill()
            servers.enter_context(server(first.port))
            lines = len(next(tmp_path.glob("*/series.jsonl")).read_text().splitlines())
            while lines + 3 > len(next(tmp_path.glob("*/series.jsonl")).read_text().splitlines()):
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
    (folder,) = tmp_path.glob("*-crud")
    (cell,) = results.load(folder).cells
    assert cell.cpu_s.server is None
    assert cell.cpu_s.generator
    assert "a process of the server ended" in cell.flags


def test_where_nothing_can_be_written_a_headless_test_is_refused(
    served: Server, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    done = ended(*command(served, tmp_path / "file", "-t", "1s"))
    assert done.returncode == 3
    said = [line for line in done.stderr.splitlines() if "/ERROR/" in line]
    assert len(said) == 1
    assert "choose another folder (--results)" in said[0]
    assert "Traceback" not in done.stderr


def test_a_test_has_interval_logs(served: Server, tmp_path: Path) -> None:
    assert ended(*command(served, tmp_path, "-t", "1s")).returncode == 0
    (folder,) = tmp_path.glob("*-crud")
    for store in STORES:
        text = (folder / f"{store.replace('/', '.')}.hlog").read_text()
        assert "read:service" in text


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 KB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = ended("mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", disk)
    if made.returncode:
        pytest.skip(f"a disk is mounted for it, which takes root: {made.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def fill(disk: Path) -> None:
    with suppress(OSError), (disk / "ballast").open("ab", buffering=0) as ballast:
        while ballast.write(b"-" * 4096):
            pass


@pytest.mark.parametrize("room", [True, False], ids=["with series", "with nothing to drop"])
def test_a_full_disk_costs_the_series_first_and_a_cell_in_one_line(
    served: Server, small: Path, tmp_path: Path, room: bool
) -> None:
    said = tmp_path / "said"

    def until(condition: Callable[[], Any]) -> None:
        over = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < over, said.read_text()
            time.sleep(0.05)

    with (
        said.open("w") as log,
        subprocess.Popen(command(served, small, "--rate", 150), cwd=ROOT, stderr=log) as process,
    ):
        until(lambda: list(small.glob("*-crud/partial.jsonl")))
        fill(small)
        until(lambda: "no series from now on: No space left on device" in said.read_text())
        (folder,) = small.glob("*-crud")
        if not room:
            for name in EXPENDABLE:
                (folder / name).unlink(missing_ok=True)
            fill(small)
        process.send_signal(signal.SIGINT)
    assert "Traceback" not in said.read_text()
    cells = results.load(folder).cells
    if room:
        assert process.returncode == 0, said.read_text()
        assert {cell.store for cell in cells} == set(STORES)
        assert all("no series: No space left on device" in cell.flags for cell in cells)
    else:
        assert process.returncode == 3, said.read_text()
        errors = [line for line in said.read_text().splitlines() if "/ERROR/" in line]
        assert len(errors) == 1
        assert "No space left on device: make room" in errors[0]
