"""Splits as variants of one run, on a stack of the test's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.disk import results
from bench.figures.analysis import analyse
from deploy import splits
from deploy.services import Place
from deploy.stack import Stack, ensure_up, locked
from tests.bench.served import ROOT
from tests.stacks import eventually, own_place

ONE = "one: pools.slow= routes./slow/= pools.fast.processes=2"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with own_place() as place:
        yield ensure_up([], 1, 1, place=place)


def start(place: Place, into: Path, *more: object) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-m", "bench.cli", "run", "pools", "--stores", "sqlite/async/fast",
        "--rate", 40, "--slow-rate", 10, "--sleep-ms", 5, "--rounds", 2, "--duration", 1,
        "--warmup", 0.1, "--results", into, *more,
    ]  # fmt: skip
    where = {"WINDTUNNEL_FOLDER": str(place.root), "WINDTUNNEL_OFFSET": str(place.offset)}
    return subprocess.Popen(
        list(map(str, command)),
        cwd=ROOT,
        env=os.environ | where,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(place: Place, into: Path, *more: object) -> subprocess.CompletedProcess[str]:
    with start(place, into, *more) as running:
        said, complained = running.communicate()
    return subprocess.CompletedProcess(running.args, running.returncode, said, complained)


def test_cells_of_two_splits_are_interleaved_and_compared(stack: Stack, tmp_path: Path) -> None:
    former = splits.plan(stack)
    done = run(stack.layout.place, tmp_path, "--split", ONE, "--split", "apart:")
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.iterdir()
    found = results.load(folder)
    assert {(cell.variant, cell.round) for cell in found.cells} == {
        (name, number) for name in ("one", "apart") for number in (1, 2)
    }
    for cell in found.cells:
        pools = {entry.operation: entry.pool for entry in cell.operations}
        assert pools["sleep"] == ("fast" if cell.variant == "one" else "slow")
        assert pools["read"] == "fast"
        assert len(cell.bystander) == 2
    compared = analyse(found).summary.compared
    assert compared is not None
    assert (compared.first, compared.second) == ("one", "apart")
    assert {"fast requests", "slow requests"} <= {each.operation for each in compared.comparisons}
    assert splits.plan(stack) == former


def test_a_process_loaded_straight_is_the_one_whose_bystander_counts(
    stack: Stack, tmp_path: Path
) -> None:
    done = run(stack.layout.place, tmp_path, "--processes", 1)
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.iterdir()
    for cell in results.load(folder).cells:
        loaded, idle = cell.bystander
        assert cell.process == loaded.process != idle.process
        assert loaded.intended > 2 * idle.intended


@pytest.mark.parametrize(
    ("more", "code", "line"),
    [
        (("--split", "one: pools.fast.speed=2"), 2, "pools.fast.speed"),
        (("--split", "one: pools.slow="), 2, "routes"),
        (("--split", "pools.fast.processes=2"), 2, "write NAME: KEY=VALUE"),
        (("--split", "one: faster"), 2, "write NAME: KEY=VALUE"),
        (("--split", ONE, "--processes", 1), 2, "--split says which processes there are"),
    ],
)
def test_a_split_that_cannot_be_changes_nothing(
    stack: Stack, tmp_path: Path, more: tuple[object, ...], code: int, line: str
) -> None:
    former = splits.plan(stack)
    done = run(stack.layout.place, tmp_path, *more)
    assert (done.returncode, done.stderr.count("\n")) == (code, 1)
    assert line in done.stderr
    assert splits.plan(stack) == former
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_ended_run_leaves_the_split_that_was(
    stack: Stack, tmp_path: Path, how: signal.Signals
) -> None:
    former = splits.plan(stack)
    with start(stack.layout.place, tmp_path, "--split", ONE, "--duration", 60) as running:
        eventually(lambda: splits.plan(stack) != former)
        running.send_signal(how)
        _, complained = running.communicate(timeout=60)
    assert running.returncode == 130, complained
    assert splits.plan(stack) == former


def test_the_split_comes_back_when_another_command_has_the_stack(
    stack: Stack, tmp_path: Path
) -> None:
    former = splits.plan(stack)
    with start(stack.layout.place, tmp_path, "--split", ONE, "--duration", 60) as running:
        eventually(lambda: splits.plan(stack) != former)
        with locked(stack.layout, 60):
            running.send_signal(signal.SIGINT)
            with pytest.raises(subprocess.TimeoutExpired):
                running.wait(5)  # until that command lets go
        _, complained = running.communicate(timeout=60)
    assert (running.returncode, complained) == (130, "")
    assert splits.plan(stack) == former
