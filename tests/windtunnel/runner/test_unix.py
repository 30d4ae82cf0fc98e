"""A server behind a unix socket, loaded by every command as one behind a port is."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.windtunnel.interface import locust
from tests.windtunnel.served import ROOT, Server, server
from windtunnel.recording.results import load
from windtunnel.workload.stores import ServerDownError, discover

STORE = "memory/async/volatile"


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="wt") as short:
        with server("0", "--unix", f"{short}/s") as started:
            yield started
        assert not Path(short, "s").exists()


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "windtunnel", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_tells_its_stores(served: Server) -> None:
    assert served.url.startswith("unix:/")
    told, offers = discover(served.url)
    assert told.pid == served.process.pid
    assert STORE in {offer.id for offer in offers}
    shown = command("stores", STORE, "--host", served.url)
    assert (shown.returncode, shown.stderr) == (0, "")


def test_a_run_loads_it_and_counts_its_cpu_time_and_its_bystander(
    served: Server, tmp_path: Path
) -> None:
    done = command(
        *("run", "crud", "--host", served.url, "--stores", STORE, "--rate", 200, "--rounds", 1),
        *("--duration", 0.4, "--warmup", 0.1, "--results", tmp_path, "--mix", "read"),
    )
    assert done.returncode == 0, done.stderr
    [folder] = tmp_path.iterdir()
    [cell] = [cell for cell in load(folder).cells if cell.void is None]
    assert {(op.outcome, op.pool) for op in cell.operations} == {("ok", "fast")}
    assert cell.cpu_s.server
    [bystander] = cell.bystander
    assert (bystander.process, bystander.failed) == (served.url, 0)


@pytest.mark.parametrize("more", [(), ("--rate", 200)], ids=["closed", "open"])
def test_locust_loads_it(served: Server, tmp_path: Path, more: tuple[object, ...]) -> None:
    done = subprocess.run(
        locust(
            *("--headless", "-u", 2, "-t", "3s", "--stores", STORE, "--host", served.url),
            *("--json", *more),
        ),
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert sum(row["num_requests"] for row in rows)
    assert sum(row["num_failures"] for row in rows) == 0


@pytest.mark.parametrize("path", ["/no/such.sock", "no/such.sock", "/" + "x" * 200])
def test_a_socket_where_nobody_listens_is_one_line(path: str) -> None:
    with pytest.raises(ServerDownError, match="windtunnel up"):
        discover(f"unix:{path}")
    done = command("run", "crud", "--host", f"unix:{path}")
    assert (done.returncode, done.stderr.count("\n")) == (3 if path == "/no/such.sock" else 2, 1)
    assert path in done.stderr
