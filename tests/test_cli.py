"""The command as people type it: a process, its exit code, its one line."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.services import Workspace
from tests.stacks import Door, eventually, left_over, own_workspace

PROJECT = Path(__file__).parent.parent
COMMANDS = ("setup", "up", "down", "status", "logs", "doctor", "stores", "run", "report")


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    with own_workspace() as workspace:
        yield workspace


def started(workspace: Workspace, *arguments: str, **more: str) -> subprocess.Popen[str]:
    told = {"WINDTUNNEL_FOLDER": str(workspace.root), "WINDTUNNEL_OFFSET": str(workspace.offset)}
    return subprocess.Popen(
        [sys.executable, "-m", "windtunnel", *arguments],
        cwd=PROJECT,
        env={**os.environ, **told, **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def windtunnel(workspace: Workspace, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output, and what it said on stderr."""
    with started(workspace, *arguments) as process:
        out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def one_line(err: str) -> str:
    """The only line of an error."""
    assert err.count("\n") == 1, err
    assert err.startswith("windtunnel: ")
    return err


def test_alone_it_lists_its_commands(workspace: Workspace) -> None:
    code, out, err = windtunnel(workspace)
    assert (code, err) == (0, "")
    assert [name for name in COMMANDS if not re.search(rf"^  {name} ", out, re.MULTILINE)] == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nope",), "nope"),
        (("up", "--nope"), "--nope"),
        (("up", "--processes", "0"), "--processes"),
        (("up", "--processes", "many"), "valid integer"),
        (("up", "--processes", "1000"), "less than or equal to 92"),
        (("up", "--loop", "twisted"), "one of 'asyncio', 'uvloop'"),
        (("up", "--service", "oracle"), "oracle"),
        (("status", "more"), "more"),
        (("run", "nope"), "nope"),
    ],
)
def test_wrong_usage_is_one_line_and_2(
    workspace: Workspace, arguments: tuple[str, ...], told: str
) -> None:
    code, out, err = windtunnel(workspace, *arguments)
    assert told in one_line(err)
    assert (code, out) == (2, "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("status",), "`windtunnel up`"),
        (("logs",), "`windtunnel up`"),
        (("stores",), "`windtunnel up`"),
        (("stores", "--host", "http://127.0.0.1:1"), "127.0.0.1:1"),
        (("report", "nowhere"), "nowhere"),
    ],
)
def test_a_stack_that_is_down_is_one_line_and_3(
    workspace: Workspace, arguments: tuple[str, ...], told: str
) -> None:
    code, _, err = windtunnel(workspace, *arguments)
    assert told in one_line(err)
    assert code == 3


def test_a_wrong_offset_is_one_line_and_3(workspace: Workspace) -> None:
    wrong = {**os.environ, "WINDTUNNEL_OFFSET": "much"}
    command = [sys.executable, "-m", "windtunnel", "status"]
    done = subprocess.run(command, cwd=PROJECT, env=wrong, capture_output=True, text=True)  # noqa: PLW1510
    assert (done.returncode, done.stdout) == (3, "")
    assert "WINDTUNNEL_OFFSET=much" in one_line(done.stderr)


def test_down_without_a_stack(workspace: Workspace) -> None:
    assert windtunnel(workspace, "down") == (0, "nothing was running\n", "")


def test_a_busy_port_is_one_line_and_3(workspace: Workspace) -> None:
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", 10000 + workspace.offset))
        squatter.listen()
        code, _, err = windtunnel(workspace, "up", "--service", "redis")
    me = psutil.Process()
    told = f"port {10000 + workspace.offset} (nginx) is taken by {me.name()} (pid {me.pid})"
    assert told in one_line(err)
    assert code == 3


def test_ctrl_c_during_up_is_quiet_and_leaves_nothing(workspace: Workspace, tmp_path: Path) -> None:
    door = Door(tmp_path / "door")
    with door.shut(), started(workspace, "up", "--service", "redis", **door.environ) as process:
        eventually(lambda: left_over(workspace))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (130, "")
    assert left_over(workspace) == []


def test_a_session_from_up_to_down(workspace: Workspace) -> None:
    code, out, err = windtunnel(workspace, "up", "--service", "redis", "--processes", "2")
    assert (code, err) == (0, "")
    assert "ready in" in out
    assert "next: windtunnel run crud" in out
    assert "was up already" in windtunnel(workspace, "up")[1]

    code, out, err = windtunnel(workspace, "status")
    assert (code, err) == (0, "")
    port = 16380 + workspace.offset
    assert re.search(rf"^redis-fast +up +\d+ +{port} ", out, re.MULTILINE)

    code, out, err = windtunnel(workspace, "stores", "redis/*/safe")
    assert (code, err) == (0, "")
    assert out.count("redis/") == 3
    assert out.count(" up ") >= 3
    code, out, _ = windtunnel(workspace, "stores", "--json", "memory/async/*")
    assert [store["id"] for store in json.loads(out)] == ["memory/async/volatile"]
    code, out, err = windtunnel(workspace, "stores", "nope/*")
    assert (code, out) == (2, "")
    assert "nope/*" in one_line(err)

    code, out, err = windtunnel(workspace, "logs", "redis-fast")
    assert (code, err) == (0, "")
    assert "Ready to accept connections" in out
    code, _, err = windtunnel(workspace, "logs", "nope")
    assert code == 2
    assert "redis-fast" in one_line(err)

    code, out, err = windtunnel(workspace, "down")
    assert (code, err) == (0, "")
    assert left_over(workspace) == []


def test_logs_follow_until_ctrl_c(workspace: Workspace) -> None:
    log = workspace.root / "log" / "followed.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("first\n")
    with started(workspace, "logs", "followed", "-f") as process:
        assert process.stdout
        assert process.stdout.readline() == "first\n"
        with log.open("a") as file:
            file.write("second\n")
        assert process.stdout.readline() == "second\n"
        process.send_signal(signal.SIGINT)
    assert process.returncode == -signal.SIGINT  # tail's own end, which a shell shows as 130


def test_a_reader_that_goes_away_is_no_error(workspace: Workspace) -> None:
    with started(workspace, "--help") as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""


def test_doctor_says_what_can_run_and_what_would_change_the_rest(workspace: Workspace) -> None:
    code, out, err = windtunnel(workspace, "doctor")
    assert (code, err) == (0, "")
    for row in (
        r"steal +\S+",
        r"fsync +[\d.]+ ms",
        r"nginx +\d",
        r"memory +blocking, threads, async",
    ):
        assert re.search(f"^{row}", out, re.MULTILINE), row
    for line in out.splitlines():
        if re.match(r"rethinkdb +no ", line):
            assert "fix: " in line
