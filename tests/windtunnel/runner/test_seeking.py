"""The search of a rate, from the command line, against a server that is there."""

from __future__ import annotations

import io
import subprocess
import sys
from functools import partial
from itertools import islice
from pathlib import Path

from rich.console import Console

from tests.server.conftest import serving
from tests.windtunnel.generate import Made, info
from tests.windtunnel.runner.test_cell_plan import offer
from windtunnel.recording.results import OK, Cell, OperationResult, append, create, load
from windtunnel.runner.cell_plan import CellSpec, Plan
from windtunnel.runner.progress import ProgressDisplay
from windtunnel.runner.request import Request
from windtunnel.runner.strategies import search
from windtunnel.workload.slow import SlowLoad, SlowWork


def test_rates_double_until_the_objective_breaks_and_then_close_in(tmp_path: Path) -> None:
    with serving() as server:
        done = subprocess.run(
            [
                sys.executable, "-m", "windtunnel", "capacity", "crud", "--mix", "read",
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
                sys.executable, "-m", "windtunnel", "capacity", "crud", "--mix", "balanced",
                "--stores", "memory/async/*", "--slo", "p99(response) < 60s on *",
                "--first", "40", "--rounds", "1", "--duration", "0.5",
                "--host", f"http://127.0.0.1:{server.port}", "--results", str(tmp_path),
            ],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    [folder] = tmp_path.iterdir()
    assert {cell.rate for cell in load(folder).cells} == {40}  # lower rates have fewer
    assert "of 1,000 samples: give --duration " in done.stdout


def test_each_slow_rate_has_a_search_of_its_own(tmp_path: Path) -> None:
    made = Made(stores=("redis/async/fast",))
    create(tmp_path / "run", info(made))
    slow = tuple(SlowLoad(rate, SlowWork()) for rate in (1.0, 2.0))
    request = Request(mixes=("read",), rates=(10.0,), slow=slow, slos=("failures < 1%",))
    plan = Plan((offer("redis/async/fast"),), tuple(request.loads), 1, 1)
    told = io.StringIO()
    with ProgressDisplay(1, Console(file=told, width=200)) as shown:
        orders = search(request, 10.0)(plan, tmp_path / "run", shown)
        begun = list(islice(map(partial(cell_of, tmp_path / "run"), orders), 4))
    assert sorted(begun[:2]) == [(1.0, 10.0), (2.0, 10.0)]
    assert sorted(begun[2:]) == [(1.0, 20.0), (2.0, 5.0)]
    assert "read and 2/s slow (sleep of 100 ms): the objectives hold at no rate" in told.getvalue()


def cell_of(folder: Path, order: CellSpec) -> tuple[float, float | None]:
    """Put down what was answered: with two slow requests a second, nothing."""
    assert order.load.slow
    outcome = OK if order.load.slow.rate == 1.0 else "timeout"
    cell = Cell(
        store=order.store.id,
        mix=order.load.mix,
        round=order.round,
        rate=order.load.rate,
        slow_rate=order.load.slow.rate,
        seconds=1.0,
        throughput_rps=10.0,
        operations=[OperationResult(operation="read", outcome=outcome, count=10)],
    )
    append(folder, cell)
    return order.load.slow.rate, order.load.rate


def test_a_regression_has_no_capacity() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "windtunnel", "capacity", "crud", "--slo", "regression < 10%"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
