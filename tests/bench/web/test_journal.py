"""A test under Locust is a run on disk, whoever recorded it and however it ended."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.disk import results, streams
from tests.bench.interface import free_port, locust
from tests.bench.served import ROOT, Server, server

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
        told = json.loads(line)
        counted[told["store"]] += sum(entry["count"] for entry in told["operations"])
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
        assert counted == seconds(folder)[cell.store] > 0
        if load:
            assert cell.rate == 100
            assert cell.intended == counted
        else:
            assert (cell.users, cell.intended) == (4, None)
        known = ("the generator was the limit", "more than 5% of the machine was stolen")
        assert all(flag.startswith(known) for flag in cell.flags)
        assert [one.process for one in cell.bystander] == [served.url.partition("://")[2]]
        assert sum(one.intended - one.failed for one in cell.bystander) > 0
        assert {"steal", "generator_cpu", "lag_p99_ms", "descriptors"} <= set(cell.health)
        assert cell.cpu_s == results.CpuSeconds()  # of stores that are loaded at once
    samples = list(streams.samples(folder, []))
    assert {sample.store for sample in samples} == set(STORES)
    assert all(sample.parts_us["handler"] for sample in samples)
    shown = subprocess.run(
        [sys.executable, "-m", "bench.cli", "report", str(folder)],
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
        until = time.monotonic() + 60
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


def test_where_nothing_can_be_written_the_test_goes_on(served: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = subprocess.run(
        command(served, tmp_path / "file", "-t", "1s"),
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert "not recorded: " in done.stderr
    assert "Traceback" not in done.stderr
