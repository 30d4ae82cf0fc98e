"""Splits as variants of one run, on a stack of the test's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import splits
from deploy.history import ChangeKind, read_history
from deploy.lifecycle import ensure_up
from deploy.locks import stack_lock
from deploy.services import Workspace
from deploy.splitfile import write_split
from deploy.stack import Stack
from nginx.plan import edit_plan
from tests.stacks import eventually, own_workspace
from tests.windtunnel.served import ROOT
from windtunnel.analysis.analyse import analyse
from windtunnel.live import split_control
from windtunnel.live.split_control import SplitControlError
from windtunnel.recording import results

ONE = "one: pools.slow= routes./slow/= pools.fast.processes=2"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with own_workspace() as workspace:
        yield ensure_up([], 1, 1, workspace=workspace)


def test_a_run_with_more_processes_tries_them_on_record(stack: Stack, tmp_path: Path) -> None:
    workspace, former = stack.layout.workspace, splits.active_plan(stack)
    known = len(read_history(workspace))
    command = [
        sys.executable, "-m", "windtunnel", "run", "crud", "--stores", "sqlite/async/fast",
        "--processes", "2", "--users", "1", "--rounds", "1", "--duration", "1",
        "--warmup", "0.1", "--results", str(tmp_path),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env=env(workspace), check=False)
    assert done.returncode == 0
    tried = read_history(workspace)[known:]
    assert [(one.by, one.kind, *one.differences) for one in tried] == [
        ("run", ChangeKind.TRIAL, ("pools.fast.processes", "1", "2")),
        ("run", ChangeKind.TRIAL, ("pools.fast.processes", "2", "1")),
    ]
    assert splits.active_plan(stack) == former


def env(workspace: Workspace) -> dict[str, str]:
    where = {"WINDTUNNEL_FOLDER": str(workspace.root), "WINDTUNNEL_OFFSET": str(workspace.offset)}
    return os.environ | where


def start(
    workspace: Workspace, into: Path, *more: object, out: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-m", "windtunnel", "run", "pools", "--stores", "sqlite/async/fast",
        "--rate", 40, "--slow-rate", 10, "--sleep-ms", 5, "--rounds", 2, "--duration", 1,
        "--warmup", 0.1, "--results", into, *more,
    ]  # fmt: skip
    return subprocess.Popen(
        list(map(str, command)),
        cwd=ROOT,
        env=env(workspace),
        stdout=out,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(workspace: Workspace, into: Path, *more: object) -> subprocess.CompletedProcess[str]:
    with start(workspace, into, *more) as running:
        said, complained = running.communicate()
    return subprocess.CompletedProcess(running.args, running.returncode, said, complained)


def test_cells_of_two_splits_are_interleaved_and_compared(stack: Stack, tmp_path: Path) -> None:
    former = splits.active_plan(stack)
    done = run(stack.layout.workspace, tmp_path, "--split", ONE, "--split", "apart:")
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
    assert splits.active_plan(stack) == former


def test_a_process_loaded_straight_is_the_one_whose_bystander_counts(
    stack: Stack, tmp_path: Path
) -> None:
    done = run(stack.layout.workspace, tmp_path, "--processes", 1)
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
        (("--split", "one: faster"), 2, "write KEY=VALUE"),
        (("--split", ONE, "--processes", 1), 2, "--split sets the processes itself"),
    ],
)
def test_a_split_that_cannot_be_changes_nothing(
    stack: Stack, tmp_path: Path, more: tuple[object, ...], code: int, line: str
) -> None:
    former = splits.active_plan(stack)
    done = run(stack.layout.workspace, tmp_path, *more)
    assert (done.returncode, done.stderr.count("\n")) == (code, 1)
    assert line in done.stderr
    assert splits.active_plan(stack) == former
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_ended_run_leaves_the_split_that_was(
    stack: Stack, tmp_path: Path, how: signal.Signals
) -> None:
    former = splits.active_plan(stack)
    with start(stack.layout.workspace, tmp_path, "--split", ONE, "--duration", 60) as running:
        eventually(lambda: splits.active_plan(stack) != former)
        running.send_signal(how)
        _, complained = running.communicate(timeout=60)
    assert running.returncode == 130, complained
    assert splits.active_plan(stack) == former


def test_the_split_comes_back_when_another_command_has_the_stack(
    stack: Stack, tmp_path: Path
) -> None:
    former = splits.active_plan(stack)
    with start(stack.layout.workspace, tmp_path, "--split", ONE, "--duration", 60) as running:
        eventually(lambda: splits.active_plan(stack) != former)
        with stack_lock(stack.layout, 60):
            running.send_signal(signal.SIGINT)
            with pytest.raises(subprocess.TimeoutExpired):
                running.wait(5)  # until that command lets go
        _, complained = running.communicate(timeout=60)
    assert (running.returncode, complained) == (130, "")
    assert splits.active_plan(stack) == former


def cli(workspace: Workspace, *words: str) -> tuple[int, str]:
    """Exit code, and what it said on stderr."""
    where = {"WINDTUNNEL_FOLDER": str(workspace.root), "WINDTUNNEL_OFFSET": str(workspace.offset)}
    done = subprocess.run(
        [sys.executable, "-m", "windtunnel", *words],
        cwd=ROOT,
        env=os.environ | where,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_nobody_changes_the_split_while_others_are_on_trial(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = stack.layout.workspace
    splits.apply(stack, edit_plan(splits.active_plan(stack), {"pools.fast.keepalive": "64"}))
    former = splits.active_plan(stack)
    another = ("run", "pools", "--rate", "40", "--slow-rate", "10", "--split", ONE)
    with start(workspace, tmp_path, "--split", ONE, "--duration", 60) as running:
        eventually(lambda: splits.active_plan(stack) != former)
        line = (
            f"windtunnel: windtunnel run (pid {running.pid}) is trying splits: wait for it, or end "
            "it\n"
        )
        for words in (
            ("split", "set", "pools.fast.retries=2"),
            ("split", "reset"),
            ("split", "undo"),
            ("up", "--processes", "3"),
            ("tune", "--slo", "p99(fast) < 9s", "--store", "sqlite/async/fast"),
            (*another, "--results", str(tmp_path / "other")),
        ):
            assert cli(workspace, *words) == (3, line)
        monkeypatch.setenv("WINDTUNNEL_FOLDER", str(workspace.root))
        monkeypatch.setenv("WINDTUNNEL_OFFSET", str(workspace.offset))
        with pytest.raises(SplitControlError, match="is trying splits"):
            split_control.change(read_history(workspace)[-1].number, {"pools.fast.retries": "2"})
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=60)
    assert splits.active_plan(stack) == former
    splits.undo(stack)


def test_a_killed_run_s_trial_is_put_back_by_undo(stack: Stack, tmp_path: Path) -> None:
    workspace, former = stack.layout.workspace, splits.active_plan(stack)
    assert cli(workspace, "split", "set", "pools.fast.retries=2")[0] == 0
    mine = splits.active_plan(stack)
    with start(workspace, tmp_path, "--split", ONE, "--duration", 60) as running:
        eventually(lambda: splits.active_plan(stack) != mine)
        running.kill()
    who = f"windtunnel run (pid {running.pid}) was killed while it tried splits"
    code, noted = cli(workspace, "split", "show")
    assert (code, noted.partition(";")[0]) == (0, who)
    assert splits.active_plan(stack) != mine
    assert cli(workspace, "split", "undo") == (0, f"{who}: the former split is back\n")
    assert splits.active_plan(stack) == mine
    assert cli(workspace, "split", "undo") == (0, "")
    assert splits.active_plan(stack) == former


def test_a_change_after_a_killed_run_is_made_of_the_split_before(
    stack: Stack, tmp_path: Path
) -> None:
    workspace, former = stack.layout.workspace, splits.active_plan(stack)
    with start(workspace, tmp_path, "--split", ONE, "--duration", 60) as running:
        eventually(lambda: splits.active_plan(stack) != former)
        running.kill()
    code, noted = cli(workspace, "split", "set", "pools.slow.retries=2")
    assert (code, noted.count("\n")) == (0, 1)
    assert splits.active_plan(stack) == edit_plan(former, {"pools.slow.retries": "2"})
    assert cli(workspace, "split", "undo") == (0, "")
    assert splits.active_plan(stack) == former


def test_a_stack_that_starts_after_a_killed_run_has_the_split_before(
    stack: Stack, tmp_path: Path
) -> None:
    workspace, former = stack.layout.workspace, splits.active_plan(stack)
    with start(workspace, tmp_path, "--split", ONE, "--duration", 60) as running:
        eventually(lambda: splits.active_plan(stack) != former)
        running.kill()
    assert cli(workspace, "down") == (0, "")
    edited = edit_plan(former, {"pools.slow.read_timeout": "99"})
    write_split(stack.layout, edited)
    assert cli(workspace, "up", "--service", "redis") == (0, "")
    assert splits.active_plan(stack) == edited
    splits.apply(stack, former)


def test_a_run_whose_terminal_is_closed_ends_in_order(stack: Stack, tmp_path: Path) -> None:
    former = splits.active_plan(stack)
    master, terminal = os.openpty()
    many = ("--split", ONE, "--duration", 60)
    with start(stack.layout.workspace, tmp_path, *many, out=terminal) as running:
        os.close(terminal)
        eventually(lambda: splits.active_plan(stack) != former)
        os.close(master)
        running.send_signal(signal.SIGHUP)
        assert running.wait(60) == 130
    assert splits.active_plan(stack) == former
