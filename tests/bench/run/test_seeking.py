"""The search of a rate, from the command line, against a server that is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.disk.results import load
from tests.server.conftest import serving


def test_rates_double_until_the_objective_breaks_and_then_close_in(tmp_path: Path) -> None:
    with serving() as server:
        done = subprocess.run(
            [
                sys.executable, "-m", "bench.cli", "capacity", "crud", "--mix", "read",
                "--stores", "memory/async/*", "--slo", "max(response, read) < 0.001us on *",
                "--first", "4", "--rounds", "1", "--duration", "1",
                "--host", f"http://127.0.0.1:{server.port}", "--results", str(tmp_path),
            ],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    [folder] = tmp_path.iterdir()
    rates = [cell.rate for cell in load(folder).cells if cell.void is None]
    assert rates == [4, 2, 1]  # it never holds: halved down to the lowest
    assert "the objectives hold at no rate" in done.stdout


def test_too_few_samples_end_the_search_with_what_is_needed(tmp_path: Path) -> None:
    with serving() as server:
        done = subprocess.run(
            [
                sys.executable, "-m", "bench.cli", "capacity", "crud", "--mix", "balanced",
                "--stores", "memory/async/*", "--slo", "p99(response) < 60s on *",
                "--first", "40", "--rounds", "1", "--duration", "0.5",
                "--host", f"http://127.0.0.1:{server.port}", "--results", str(tmp_path),
            ],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    [folder] = tmp_path.iterdir()
    assert {cell.rate for cell in load(folder).cells} == {40}  # lower rates have fewer
    assert "of 1,000 samples: give --duration " in done.stdout


def test_a_regression_has_no_capacity() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.cli", "capacity", "crud", "--slo", "regression < 10%"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
