"""`windtunnel split` as people type it, with a stack behind it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import splits
from deploy.history import read_history
from deploy.lifecycle import ensure_up
from deploy.services import Workspace
from deploy.stack import running
from tests.stacks import eventually, half_sent, own_workspace

PROJECT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    with own_workspace() as workspace:
        ensure_up([], 2, 1, workspace=workspace)
        yield workspace


def split(workspace: Workspace, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output, and what it said on stderr."""
    told = {"WINDTUNNEL_FOLDER": str(workspace.root), "WINDTUNNEL_OFFSET": str(workspace.offset)}
    command = [sys.executable, "-m", "windtunnel", "split", *arguments]
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={**workspace.environ, **told},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def begun(workspace: Workspace, *arguments: str) -> subprocess.Popen[str]:
    told = {"WINDTUNNEL_FOLDER": str(workspace.root), "WINDTUNNEL_OFFSET": str(workspace.offset)}
    return subprocess.Popen(
        [sys.executable, "-m", "windtunnel", "split", *arguments],
        cwd=PROJECT,
        env={**workspace.environ, **told},
        stderr=subprocess.PIPE,
        text=True,
    )


def good(workspace: Workspace, *arguments: str) -> str:
    code, out, err = split(workspace, *arguments)
    assert (code, err) == (0, "")
    return out


def test_a_session_of_tuning(workspace: Workspace) -> None:
    port = 10000 + workspace.offset
    assert "pools.slow.balance          round_robin\n" in good(workspace, "show")
    out = good(workspace, "set", "pools.fast.processes=1", "pools.slow.processes=2")
    assert "pools.fast.processes: 2 -> 1\npools.slow.processes: 1 -> 2\nchange 1 is active" in out
    assert f"slow: processes on {port + 4}, {port + 5}" in good(workspace, "show")
    assert "nothing to change" in good(workspace, "set", "pools.slow.processes=2")

    told = json.loads(good(workspace, "set", "--json", "pools.slow.balance=least_conn"))
    assert (told["number"], told["by"]) == (2, "split set")
    assert told["differences"] == [["pools.slow.balance", "round_robin", "least_conn"]]
    assert told["clean_s"] >= told["apply_s"] > 0

    assert "pools.slow.balance: least_conn -> round_robin" in good(workspace, "undo")
    changes = json.loads(good(workspace, "history", "--json"))
    assert [(one["number"], one["undoes"]) for one in changes] == [(1, None), (2, None), (3, 2)]
    assert "pools.fast.processes=1 pools.slow.processes=2\n" in good(workspace, "history")

    shown = json.loads(good(workspace, "show", "--json"))
    assert shown["ports"] == {"fast": [port + 1], "slow": [port + 4, port + 5]}
    assert shown["plan"]["pools"]["slow"]["processes"] == 2
    assert shown["keys"]['routes."/slow/"'] == "slow"


def test_a_pool_that_comes_or_goes_is_one_line(workspace: Workspace) -> None:
    out = good(workspace, "set", "pools.heavy.processes=1", "routes./heavy/=heavy")
    assert sorted(out.splitlines()[:2]) == [
        "pools.heavy.processes: (none) -> 1",
        'routes."/heavy/": (none) -> heavy',
    ]
    out = good(workspace, "set", "pools.heavy=", "routes./heavy/=")
    assert sorted(out.splitlines()[:2]) == [
        "pools.heavy: 1 processes -> (none)",
        'routes."/heavy/": heavy -> (none)',
    ]


def test_an_edited_file_is_brought_into_force_and_the_projects_again(workspace: Workspace) -> None:
    file = workspace.root / "split.toml"
    file.write_text(file.read_text().replace("max_conns = 0", "max_conns = 7", 1))
    assert "pools.fast.max_conns: 0 -> 7" in good(workspace, "apply")
    assert "pools.fast.max_conns: 7 -> 0" in good(workspace, "reset")
    file.write_text("[pools.fast]\nprocesses = x\n")
    code, _, err = split(workspace, "apply")
    assert (code, err.count("\n")) == (2, 1)
    assert f"{file}: " in err
    assert "line 2" in err


def test_what_was_tuned_can_be_carried_away(workspace: Workspace) -> None:
    out = good(workspace, "render", "--listen", "8080", "--nginx", "1.22.1")
    assert f"server 127.0.0.1:{10001 + workspace.offset} weight=1 max_conns=0 max_fails=0;" in out
    assert "listen 8080;" in out
    assert "keepalive_min_timeout 5s" not in out
    assert "# nginx 1.22.1 has no keepalive_min_timeout" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("set", "pools.fast.processes"), "KEY=VALUE"),
        (("set",), "KEY=VALUE"),
        (("set", "pools.fast.processes=0"), "pools.fast.processes: must be a whole number"),
        (("set", "pools.quick.processes=1"), "pools.quick: unknown pool (fast, slow)"),
        (("set", "speed=1"), "speed: unknown key"),
        (("render", "--nginx", "new"), "'--nginx': 'new' must be a version"),
        (("apply", "/nowhere/split.toml"), "/nowhere/split.toml"),
        (("turn",), "turn"),
    ],
)
def test_wrong_usage_is_one_line_and_2(
    workspace: Workspace, arguments: tuple[str, ...], told: str
) -> None:
    code, out, err = split(workspace, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("windtunnel: ")
    assert told in err


@pytest.mark.parametrize("arguments", [("show",), ("set", "a=1"), ("undo",), ("render",)])
def test_without_a_stack_it_is_one_line_and_3(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, out, err = split(Workspace(tmp_path), *arguments)
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "windtunnel up" in err


def test_history_needs_no_stack(tmp_path: Path) -> None:
    assert good(Workspace(tmp_path), "history") == "the split has not been changed yet\n"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_change_that_is_ended_before_it_serves_says_so_and_leaves_no_process(
    workspace: Workspace, how: signal.Signals
) -> None:
    stack = running(workspace)
    assert stack
    before, known = splits.active_plan(stack), set(stack.supervisor.states())
    more = before.processes("fast") + 2
    with begun(workspace, "set", f"pools.fast.processes={more}") as change:
        eventually(lambda: set(stack.supervisor.states()) != known)
        change.send_signal(how)
        _, complaint = change.communicate(timeout=60)
    assert (change.returncode, complaint) == (130, "interrupted: nothing has changed\n")
    assert (splits.active_plan(stack), set(stack.supervisor.states())) == (before, known)


def test_a_change_that_is_ended_when_it_serves_says_how_to_take_it_back(
    workspace: Workspace,
) -> None:
    stack = running(workspace)
    assert stack
    before = splits.active_plan(stack)
    with (
        half_sent(stack.nginx.port, 4),  # until then, however long the command takes to begin
        begun(workspace, "set", "pools.fast.keepalive=64") as change,
    ):
        eventually(lambda: any(one.clean_s is None for one in read_history(workspace)))
        change.send_signal(signal.SIGINT)
        _, complaint = change.communicate(timeout=60)
    number = read_history(workspace)[-1].number
    line = f"interrupted: change {number} is active; windtunnel split undo\n"
    assert (change.returncode, complaint) == (130, line)
    good(workspace, "undo")
    assert splits.active_plan(stack) == before
