"""Real stacks: up, resized, killed, interrupted, in the way of others, down."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from deploy import lifecycle, splits, stack
from deploy.errors import BusyError, NotReadyError, PortTakenError
from deploy.layout import Layout
from deploy.lifecycle import ensure_up
from deploy.locks import stack_lock
from deploy.services import Workspace
from deploy.stack import Stack
from deploy.supervisor import Supervisor
from tests.stacks import Door, eventually, left_over

SLOW = "/slow/memory/async/volatile/records?min_duration=0"


def up(
    workspace: Workspace, processes: int | None = 1, services: tuple[str, ...] = ("redis",)
) -> Stack:
    return ensure_up(services, processes, 1, workspace=workspace)


def served_by(stack: Stack, path: str = "/ping", asked: int = 8) -> set[str]:
    """The processes that answer through nginx, as pool-port."""
    found = set()
    for _ in range(asked):
        with urllib.request.urlopen(stack.state.nginx + path) as answer:
            found.add(answer.headers["X-Process"].rpartition("-")[0])
    return found


def test_up_says_what_runs_and_serves_it(workspace: Workspace) -> None:
    running = up(workspace)
    told = json.loads((workspace.root / "stack.json").read_text())
    offset = workspace.offset
    assert running.started
    assert told["nginx"] == f"http://127.0.0.1:{10000 + offset}"
    assert told["processes"] == [f"http://127.0.0.1:{10000 + n + offset}" for n in (1, 4)]
    assert told["missing"] == {}
    redis = told["programs"]["redis-fast"]
    assert (redis["kind"], redis["service"], redis["port"]) == ("database", "redis", 16380 + offset)
    assert all(psutil.pid_exists(program["pid"]) for program in told["programs"].values())
    assert served_by(running) == {f"fast-{10001 + offset}"}
    assert served_by(running, SLOW) == {f"slow-{10004 + offset}"}


def test_a_store_reaches_the_databases_of_its_own_stack(workspace: Workspace) -> None:
    running = up(workspace)
    with urllib.request.urlopen(running.state.processes[0] + "/stores") as answer:
        stores = {store["id"]: store for store in json.load(answer)["stores"]}
    assert stores["redis/async/fast"]["status"] == "up"
    with socket.create_connection(("127.0.0.1", 16380 + workspace.offset)) as peer:
        peer.sendall(b"CLIENT LIST\r\n")
        assert peer.recv(65536).count(b"addr=") > 1


def test_up_twice_leaves_everything_as_it_is(workspace: Workspace) -> None:
    first, second = up(workspace), up(workspace, processes=None)
    assert (first.started, second.started) == (True, False)
    assert first.pids() == second.pids()


def test_another_loop_restarts_and_no_wish_leaves_it(workspace: Workspace) -> None:
    up(workspace)
    other = ensure_up(["redis"], 1, 1, loop="uvloop", workspace=workspace)
    assert other.started
    with urllib.request.urlopen(other.state.processes[0] + "/stores") as answer:
        assert json.load(answer)["process"]["loop"] == "uvloop"
    assert not ensure_up(workspace=workspace).started
    assert not ensure_up(["redis"], loop="uvloop", workspace=workspace).started


def test_a_database_more_restarts(workspace: Workspace) -> None:
    up(workspace)
    more = up(workspace, services=("memcached", "redis"))
    assert more.started
    assert "memcached" in more.pids()["database"]


def test_resize_changes_what_nginx_serves(workspace: Workspace) -> None:
    running, base = up(workspace), workspace.offset
    splits.resize(running, fast=3)
    assert served_by(running, asked=30) == {f"fast-{base + port}" for port in (10001, 10002, 10003)}
    assert set(running.pids()["server"]) == {f"server-{base + n}" for n in range(10001, 10005)}
    splits.resize(running, fast=1)
    assert served_by(running, asked=30) == {f"fast-{base + 10001}"}
    assert len(running.state.processes) == 2
    assert len(running.pids()["nginx"]["nginx"]) == 2  # a master and one worker, no old one


def test_a_failed_resize_leaves_what_was(workspace: Workspace) -> None:
    running = up(workspace)
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", 10002 + workspace.offset))
        squatter.listen()
        with pytest.raises((NotReadyError, PortTakenError), match=str(10002 + workspace.offset)):
            splits.resize(running, fast=2)
    assert served_by(running) == {f"fast-{10001 + workspace.offset}"}
    assert set(running.supervisor.states()) == set(running.state.programs)


def test_pids_count_children(workspace: Workspace) -> None:
    pids = up(workspace, services=("postgres",)).pids()
    assert len(pids["database"]["postgres"]) > 1
    assert {len(family) for family in pids["server"].values()} == {1}


def test_the_supervisor_restarts_what_dies(workspace: Workspace) -> None:
    running = up(workspace)
    (before,) = running.pids()["server"][f"server-{10001 + workspace.offset}"]
    psutil.Process(before).kill()
    name = f"server-{10001 + workspace.offset}"
    eventually(lambda: running.pids()["server"].get(name, [before]) not in ([before], []))
    eventually(lambda: stack.running(workspace) is not None and running.is_healthy())


def test_up_after_the_supervisor_was_killed(workspace: Workspace) -> None:
    first = up(workspace)
    before = {pid for group in first.pids().values() for pids in group.values() for pid in pids}
    psutil.Process(first.state.supervisor_pid).kill()
    with subprocess.Popen(["sleep", "600"], cwd=workspace.root) as foreign:
        try:
            second = up(workspace)
            assert second.started
            assert not [pid for pid in before if psutil.pid_exists(pid)]
            assert foreign.poll() is None
        finally:
            foreign.kill()
    assert served_by(second)


def test_down_after_nginx_lost_its_master_and_the_supervisor_died(workspace: Workspace) -> None:
    running = up(workspace)
    master, worker = running.pids()["nginx"]["nginx"]
    psutil.Process(running.state.supervisor_pid).kill()
    psutil.Process(master).kill()
    assert psutil.pid_exists(worker)
    assert lifecycle.down(workspace)
    assert not psutil.pid_exists(worker)


def test_nginx_is_back_after_its_master_alone_was_killed(workspace: Workspace) -> None:
    running = up(workspace)
    master, worker = running.pids()["nginx"]["nginx"]
    assert running.roots()["nginx"]["nginx"] == [master]
    psutil.Process(master).kill()
    eventually(lambda: not psutil.pid_exists(worker))
    eventually(running.is_healthy)
    assert served_by(running) == {f"fast-{10001 + workspace.offset}"}
    splits.resize(running, fast=2)  # which the new master hears
    assert len(served_by(running)) == 2


def test_down_twice(workspace: Workspace) -> None:
    up(workspace)
    assert lifecycle.down(workspace)
    assert not lifecycle.down(workspace)
    assert stack.running(workspace) is None
    assert left_over(workspace) == []


def test_a_busy_port_is_one_line_that_names_it_and_its_holder(workspace: Workspace) -> None:
    port = 16380 + workspace.offset
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        with pytest.raises(PortTakenError) as told:
            up(workspace)
    text, me = str(told.value), psutil.Process()
    assert f"port {port} (redis-fast) is taken by {me.name()} (pid {me.pid})" in text
    assert "\n" not in text
    assert left_over(workspace) == []


def test_a_database_that_dies_at_once_costs_its_rows_only(workspace: Workspace) -> None:
    up(workspace)
    lifecycle.down(workspace)
    (log,) = workspace.data.glob("redis-safe-*/appendonlydir/*.incr.aof")
    log.write_bytes(b"this is no log of Valkey's\r\n" * 9)
    running = up(workspace)
    assert "redis-safe ended at once" in running.state.missing["redis"]
    assert "redis-safe" not in running.supervisor.states()
    assert running.is_healthy()
    assert served_by(running)


def test_a_server_that_cannot_start_says_why_and_leaves_nothing(workspace: Workspace) -> None:
    broken = {**workspace.environ, "WINDTUNNEL_ENGINES": str(workspace.root / "nowhere")}
    with pytest.raises(NotReadyError, match=r"server-\d+ ended at once: .*nowhere"):
        up(replace(workspace, environ=broken))
    assert left_over(workspace) == []
    assert not (workspace.root / "stack.json").exists()


def test_two_commands_at_once(workspace: Workspace) -> None:
    with stack_lock(Layout(workspace)), pytest.raises(BusyError, match="wait for it"):
        up(workspace)


UP = """
import sys
from deploy.services import Workspace
from deploy.lifecycle import ensure_up
from pathlib import Path
root, offset, programs = sys.argv[1:]
workspace = Workspace(Path(root), offset=int(offset), programs_folder=Path(programs))
ensure_up(["redis"], 1, 1, workspace=workspace)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_up_after_an_interrupted_up(
    workspace: Workspace, tmp_path: Path, how: signal.Signals
) -> None:
    told, door = (
        [str(workspace.root), str(workspace.offset), str(workspace.programs)],
        Door(tmp_path / "door"),
    )
    command, env = [sys.executable, "-c", UP, *told], os.environ | door.environ
    with (
        door.shut(),
        subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL) as interrupted,
    ):
        eventually(lambda: Supervisor(Layout(workspace)).pid() or interrupted.poll() is not None)
        interrupted.send_signal(how)
    assert interrupted.returncode != 0
    assert not (workspace.root / "stack.json").exists()
    if how is signal.SIGINT:
        assert left_over(workspace) == []
    assert up(workspace).started


def test_a_long_path_still_has_a_control_socket(workspace: Workspace, tmp_path: Path) -> None:
    deep = tmp_path / ("long" * 25) / "run"
    layout = Layout(replace(workspace, root=deep))
    assert len(str(layout.socket())) <= 90
    assert layout.socket().parent.stat().st_mode & 0o077 == 0
    assert not str(layout.socket()).startswith(str(deep))
