"""The split of a real stack: changed, refused, recorded, undone, and kept through all else."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from deploy import splits
from deploy.errors import BusyError, PortTakenError, StackError
from deploy.history import ChangeKind, read_history
from deploy.layout import Layout
from deploy.lifecycle import ensure_up
from deploy.locks import stack_lock
from deploy.services import Workspace
from deploy.splits import active_plan, apply, undo
from deploy.stack import Stack
from nginx.apply import ApplyError
from nginx.plan import DEFAULT_FILE, edit_plan, read_plan
from nginx.split import SplitError
from tests.stacks import Door, eventually, half_sent, own_workspace

PROJECT = DEFAULT_FILE.parent.parent
SLOW = "/slow/memory/async/volatile/records?min_duration=0"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Door:
    return Door(tmp_path_factory.mktemp("door") / "engines")


@pytest.fixture(scope="module")
def shared(door: Door) -> Iterator[Stack]:
    with own_workspace() as workspace:
        yield ensure_up(
            [], 2, 1, workspace=replace(workspace, environ={**workspace.environ, **door.environ})
        )


@pytest.fixture
def running(shared: Stack) -> Iterator[Stack]:
    """A stack of 2 and 1 processes, split as the project's file says."""
    yield shared
    start = edit_plan(read_plan(), {"pools.fast.processes": "2"})
    if active_plan(shared) != start:
        apply(shared, start)


def served(running: Stack, path: str = "/ping", asked: int = 12) -> set[str]:
    """The processes that answer through nginx, as pool-port without the stack's offset."""
    found = set()
    for _ in range(asked):
        with urllib.request.urlopen(running.state.nginx + path) as answer:
            assert answer.headers["X-Process"].startswith(answer.headers["X-Pool"])
            pool, port, _ = answer.headers["X-Process"].split("-")
            found.add(f"{pool}-{int(port) - running.layout.workspace.offset}")
    return found


def servers(running: Stack) -> set[str]:
    return {name for name in running.supervisor.states() if name.startswith("server-")}


def test_a_process_moves_from_pool_to_pool(running: Stack) -> None:
    before = active_plan(running)
    after = edit_plan(before, {"pools.fast.processes": "1", "pools.slow.processes": "2"})
    told = apply(running, after, by="test")
    assert served(running) == {"fast-10001"}
    assert served(running, SLOW) == {"slow-10004", "slow-10005"}
    assert len(servers(running)) == 3
    assert told.differences == [
        ("pools.fast.processes", "2", "1"),
        ("pools.slow.processes", "1", "2"),
    ]
    assert (told.before, told.after) == (before.as_dict(), after.as_dict())
    assert told.clean_s is not None
    assert told.clean_at is not None
    assert 0 < told.apply_s <= told.clean_s
    assert told.serving_at <= told.clean_at
    assert len(running.pids()["nginx"]["nginx"]) == 2  # a master and one worker, no old one
    assert active_plan(running) == after


def test_pools_of_any_number_come_and_go(running: Stack) -> None:
    start = active_plan(running)
    more = {"pools.heavy.processes": "2", 'routes."/slow/memory/"': "heavy"}
    apply(running, edit_plan(start, more))
    assert served(running, SLOW) == {"heavy-10051", "heavy-10052"}
    less = edit_plan(active_plan(running), {"pools.heavy": "", "routes./slow/memory/": ""})
    assert less == start
    apply(running, less)
    assert served(running, SLOW) == {"slow-10004"}
    assert len(servers(running)) == 3


def test_history_and_undo_go_back_step_by_step(running: Stack) -> None:
    known = len(read_history(running.layout.workspace))
    start = active_plan(running)
    for weights in ("3,1", "1,5"):
        apply(running, edit_plan(active_plan(running), {"pools.fast.weights": weights}), by="page")
    first, second = read_history(running.layout.workspace)[known:]
    assert (first.number + 1, first.by) == (second.number, "page")
    undone = undo(running)
    assert (undone.undoes, undone.differences) == (
        second.number,
        [("pools.fast.weights", "1,5", "3,1")],
    )
    undo(running)
    assert active_plan(running) == start
    assert [one.undoes for one in read_history(running.layout.workspace)[known:]] == [
        None,
        None,
        second.number,
        first.number,
    ]


def test_what_stands_in_the_history_is_not_written_anew(running: Stack) -> None:
    file = running.layout.root / "split.jsonl"
    apply(running, edit_plan(active_plan(running), {"pools.fast.weights": "2,1"}))
    spaced = file.read_bytes().replace(b'": ', b'":  ')
    file.write_bytes(spaced)
    first = read_history(running.layout.workspace)[0]
    undo(running)
    assert read_history(running.layout.workspace)[0] is first
    assert file.read_bytes().startswith(spaced)
    assert read_history(running.layout.workspace)[-1].undoes == spaced.count(b"\n")


def test_nothing_to_undo(tmp_path: Path, running: Stack) -> None:
    assert read_history(Workspace(tmp_path)) == []
    empty = Stack(Layout(Workspace(tmp_path)), running.state)
    with pytest.raises(StackError, match="no change"):
        undo(empty)


def snapshot(running: Stack) -> tuple[object, ...]:
    """All that a change changes."""
    files = (running.layout.split, running.layout.state, running.nginx.folder / "nginx.conf")
    return (
        [file.read_text() for file in files],
        servers(running),
        running.nginx.generation(),
        len(read_history(running.layout.workspace)),
    )


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        (
            "pools.fast.processes",
            "0",
            "pools.fast.processes: must be a whole number from 1 to 64, not 0",
        ),
        ("pools.fast.processes", "two", "pools.fast.processes: must be a whole number, not 'two'"),
        (
            "pools.fast.balance",
            "best",
            "pools.fast.balance: must be one of round_robin, .*, not 'best'",
        ),
        ("pools.fast.hash", "colour", "pools.fast.hash: must be one of uri, .*, not 'colour'"),
        ("pools.fast.weights", "1,2,3", "pools.fast.weights: 3 weights for 2 processes"),
        (
            "pools.fast.weights",
            "1,0",
            "pools.fast.weights: must be a whole number from 1 to 1000, not 0",
        ),
        ("pools.fast.speed", "9", "pools.fast.speed: unknown key"),
        ("pools.fsat.processes", "9", "pools.fsat: unknown pool"),
        ("pools.fast.overflow", "shed", "pools.fast.overflow: a pool is full only where max_conns"),
        ("pools.fast.maintenance", "../x", "pools.fast.maintenance"),
        ("pools.slow", "", 'routes."/slow/": unknown pool .slow.$'),
        ("routes.default", "nowhere", "routes.default: unknown pool .nowhere.$"),
        ("routes./a b", "slow", 'routes."/a b": a prefix'),
        ("routes.methods.EAT", "slow", "routes.methods.EAT: choose from GET"),
        ("routes.headers.X-A", "slow", 'routes.headers."X-A": write a header'),
        ("routes./none/", "", "routes./none/: cannot be removed"),
        ("pools.Fast.retries", "1", "pools.Fast.retries: 'Fast' is not a pool name"),
        ("speed", "9", "speed: unknown key; list all keys with: windtunnel split show$"),
    ],
)
def test_a_bad_change_names_its_key_and_changes_nothing(
    running: Stack, key: str, value: str, told: str
) -> None:
    before = snapshot(running)
    with pytest.raises(SplitError, match=f"^{told}") as error:
        apply(running, edit_plan(active_plan(running), {key: value, "pools.fast.retries": "1"}))
    assert "\n" not in str(error.value)
    assert snapshot(running) == before


def test_a_taken_port_changes_nothing(running: Stack) -> None:
    before = snapshot(running)
    port = 10005 + running.layout.workspace.offset
    with socket.create_server(("127.0.0.1", port)), pytest.raises(PortTakenError, match=str(port)):
        apply(running, edit_plan(active_plan(running), {"pools.slow.processes": "2"}))
    assert snapshot(running) == before
    assert served(running, SLOW) == {"slow-10004"}


def test_what_nginx_refuses_changes_nothing(running: Stack) -> None:
    before = snapshot(running)
    wanted = {"pools.slow.processes": "2", "pools.fast.max_conns": "1"}
    log = running.nginx.folder / "access.log"
    kept = log.rename(log.with_name("kept.log"))
    log.mkdir()
    try:
        with pytest.raises(ApplyError, match=r"nginx refuses the configuration: .*access\.log"):
            apply(running, edit_plan(active_plan(running), wanted))
    finally:
        log.rmdir()
        kept.rename(log)
    assert snapshot(running) == before


def test_a_process_is_drained_before_it_goes(running: Stack) -> None:
    workspace = running.layout.workspace
    name, known = f"server-{10002 + workspace.offset}", len(read_history(workspace))
    wanted = edit_plan(active_plan(running), {"pools.fast.processes": "1"})
    with ThreadPoolExecutor() as pool, half_sent(running.layout.nginx_port, 4) as answered:
        change = pool.submit(apply, running, wanted)
        eventually(lambda: change.done() or len(read_history(workspace)) > known)
        assert not change.done()
        assert served(running) == {"fast-10001"}
        assert name in servers(running)
        assert answered() == [200] * 4
        told = change.result()
    assert name not in servers(running)
    assert told.clean_s is not None
    assert told.clean_s > told.apply_s


def test_moving_processes_under_load_loses_no_request(running: Stack) -> None:
    told = [running.layout.nginx_port, 80, 320, 16, 2]
    command = [sys.executable, "-m", "tests.nginx.steady", *map(str, told)]
    moves = [{"pools.fast.processes": "1", "pools.slow.processes": "2"}]
    moves.append({"pools.fast.processes": "2", "pools.slow.processes": "1"})
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as load:
        assert load.stdout
        for move in moves:
            assert load.stdout.readline().endswith(" requests\n")
            apply(running, edit_plan(active_plan(running), move))
        found = json.loads(load.stdout.readline())
    assert found["outcomes"] == {"ok": 320}


def test_one_change_at_a_time(running: Stack) -> None:
    with stack_lock(running.layout), pytest.raises(BusyError):
        apply(running, edit_plan(active_plan(running), {"pools.fast.retries": "1"}))


def test_a_change_made_from_what_is_no_longer_in_force(running: Stack) -> None:
    seen = active_plan(running)
    apply(running, edit_plan(seen, {"pools.slow.retries": "1"}), based_on=seen)
    with pytest.raises(BusyError, match="changed meanwhile"):
        apply(running, edit_plan(seen, {"pools.slow.retries": "2"}), based_on=seen)
    assert active_plan(running).pools["slow"]["retries"] == 1


def test_the_split_survives_resize_and_another_up(running: Stack) -> None:
    wanted = {"pools.fast.weights": "3,1", "pools.slow.balance": "least_conn"}
    apply(running, edit_plan(active_plan(running), wanted))
    tuned = active_plan(running)
    splits.resize(running, fast=1)
    assert (
        active_plan(running).processes("fast"),
        active_plan(running).pools["fast"]["weights"],
    ) == (1, [])
    assert active_plan(running).pools["slow"]["balance"] == "least_conn"
    splits.resize(running, fast=2)
    assert active_plan(running) == tuned
    again = ensure_up(workspace=running.layout.workspace)
    assert (again.started, again.plan) == (False, tuned)


def test_another_up_with_other_numbers_is_a_change(running: Stack) -> None:
    """On record, in the file, and undone like any other."""
    workspace, start = running.layout.workspace, active_plan(running)
    known = len(read_history(workspace))
    ensure_up(processes=1, slow=2, workspace=workspace)
    (change,) = read_history(workspace)[known:]
    assert (change.by, change.undoes, change.before) == ("up", None, start.as_dict())
    assert change.differences == [
        ("pools.fast.processes", "2", "1"),
        ("pools.slow.processes", "1", "2"),
    ]
    assert change.clean_at is not None
    assert (
        read_plan(running.layout.split).as_dict() == change.after == active_plan(running).as_dict()
    )
    ensure_up(processes=1, slow=2, workspace=workspace)
    assert len(read_history(workspace)) == known + 1
    assert undo(running).undoes == change.number
    assert active_plan(running) == read_plan(running.layout.split) == start


def test_a_trial_is_on_record_and_not_in_the_file(running: Stack) -> None:
    apply(running, edit_plan(active_plan(running), {"pools.fast.weights": "3,1"}))
    workspace, tuned, text = (
        running.layout.workspace,
        active_plan(running),
        running.layout.split.read_text(),
    )
    splits.resize(running, fast=1, by="run", kind=ChangeKind.TRIAL)
    assert (active_plan(running).processes("fast"), running.layout.split.read_text()) == (1, text)
    splits.resize(running, fast=2, by="run", kind=ChangeKind.TRIAL)
    assert active_plan(running) == tuned
    assert [(one.by, one.kind) for one in read_history(workspace)[-2:]] == [
        ("run", ChangeKind.TRIAL)
    ] * 2
    assert undo(running).undoes == read_history(workspace)[-4].number


def test_weights_that_were_taken_away_stay_away(running: Stack) -> None:
    for weights in ("3,1", ""):
        apply(running, edit_plan(active_plan(running), {"pools.fast.weights": weights}))
    for number in (1, 2):
        splits.resize(running, fast=number)
    assert active_plan(running).pools["fast"]["weights"] == []


def test_the_file_keeps_what_people_wrote(running: Stack) -> None:
    comments = [line for line in DEFAULT_FILE.read_text().splitlines() if line.startswith("#")]
    told = {"pools.slow.max_conns": "3", "routes.methods.PUT": "slow", "pools.fast.weights": "2,1"}
    after = edit_plan(active_plan(running), told)
    apply(running, after)
    text = running.layout.split.read_text()
    assert [line for line in text.splitlines() if line.startswith("#")] == comments
    assert read_plan(running.layout.split) == after


CHANGE = """
import sys
from pathlib import Path
from deploy.services import Workspace
from deploy.splits import active_plan, apply
from deploy.stack import running
from nginx.plan import edit_plan
stack = running(Workspace(Path(sys.argv[1]), offset=int(sys.argv[2])))
apply(stack, edit_plan(active_plan(stack), {"pools.fast.processes": "1"}))
"""


def test_a_change_killed_while_old_workers_finish_is_made_good(running: Stack) -> None:
    """The new split serves, and the process that it lacks goes with the next change."""
    workspace = running.layout.workspace
    name, known = f"server-{10002 + workspace.offset}", len(read_history(workspace))
    command = [sys.executable, "-c", CHANGE, str(workspace.root), str(workspace.offset)]
    with half_sent(running.layout.nginx_port, 4) as answered:
        with subprocess.Popen(command) as change:
            eventually(lambda: change.poll() is not None or len(read_history(workspace)) > known)
            change.kill()
        assert read_history(workspace)[-1].clean_s is None
        assert name in servers(running)
        assert served(running) == {"fast-10001"}
        assert answered() == [200] * 4
    assert read_history(workspace)[-1].after == active_plan(running).as_dict()
    apply(running, edit_plan(active_plan(running), {"pools.slow.retries": "1"}))
    assert name not in servers(running)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_change_ended_before_it_serves_changes_nothing(
    running: Stack, door: Door, how: signal.Signals
) -> None:
    before = servers(running)
    workspace = running.layout.workspace
    code = CHANGE.replace('"1"', '"3"')
    with (
        door.shut(),
        subprocess.Popen(
            [sys.executable, "-c", code, str(workspace.root), str(workspace.offset)],
            stderr=subprocess.DEVNULL,
        ) as change,
    ):
        eventually(lambda: len(servers(running)) == 4)
        change.send_signal(how)
    assert active_plan(running).processes("fast") == 2
    if how == signal.SIGKILL:  # what is left of it is gone with the next change
        apply(running, edit_plan(active_plan(running), {"pools.fast.retries": "1"}))
    assert servers(running) == before
