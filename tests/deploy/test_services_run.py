"""Every server there is: got, made ready, killed, started again on what was left, and stopped."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.services import (
    Instance,
    ManagedService,
    Program,
    UnavailableError,
    Workspace,
    prepare_all,
    services,
)
from deploy.services.child_processes import run_all, run_instance, start, stop, wait_ready
from deploy.services.postgres import ready as postgres_ready
from tests import databases
from tests.stacks import PATIENCE, eventually, free_offset

DATABASES = {name: service for name, service in services().items() if name != "nginx"}
CANNOT_BE_HAD_ANYWHERE = {"rethinkdb"}


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    """Below the ports that the kernel gives out, or a slow starter could lose its own."""
    with databases.workspace() as workspace:
        yield replace(workspace, ports={}, offset=free_offset())


@pytest.fixture(params=DATABASES.values(), ids=lambda service: service.name)
def service(request: pytest.FixtureRequest) -> ManagedService:
    asked: ManagedService = request.param
    return asked


@pytest.fixture
def program(service: ManagedService, workspace: Workspace) -> Program:
    return program_of(service, workspace)


def program_of(service: ManagedService, workspace: Workspace) -> Program:
    try:
        return service.obtain(workspace, print)
    except UnavailableError as missing:
        if os.environ.get("CI") and service.name not in CANNOT_BE_HAD_ANYWHERE:
            raise
        pytest.skip(f"{service.name} is missing: {missing}")


def test_it_serves_on_loopback_and_stops_when_asked(
    service: ManagedService, program: Program, workspace: Workspace
) -> None:
    for instance in service.prepare(workspace, program):
        assert not instance.ready()
        with run_instance(instance, workspace.log) as process:
            assert instance.ready()
            assert listening(process.pid, instance.port) == {"127.0.0.1"}
            assert psutil.Process(process.pid).username() == account()
        assert not instance.ready()
        assert process.returncode in {0, -signal.SIGTERM, 128 + signal.SIGTERM}


@pytest.mark.parametrize("name", ["mysql", "postgres"])
def test_data_folders_may_be_made_at_the_same_time(name: str, workspace: Workspace) -> None:
    service = services()[name]
    program = program_of(service, workspace)
    workspaces = [
        replace(
            workspace,
            root=workspace.root / str(n),
            programs_folder=workspace.root / str(n) / "programs",
        )
        for n in range(6)
    ]
    for one in workspaces:
        one.root.mkdir()
        one.root.chmod(0o755)
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(partial(service.prepare, program=program), workspaces))
    assert len({one.cwd for instances in made for one in instances}) == 6 * len(made[0])


def test_it_starts_on_what_a_killed_one_left(
    service: ManagedService, program: Program, workspace: Workspace
) -> None:
    for instance in service.prepare(workspace, program):
        process = start(instance, workspace.log)
        try:
            wait_ready(instance, process)
        finally:
            process.kill()
            process.wait()
    for instance in service.prepare(workspace, program):
        with run_instance(instance, workspace.log):
            assert instance.ready()


def test_its_version_is_told(service: ManagedService, program: Program) -> None:
    assert service.version(program)[0].isdigit()


def test_postgres_starts_on_a_lock_whose_process_is_another_program(workspace: Workspace) -> None:
    service = services()["postgres"]
    program = program_of(service, workspace)
    [instance] = service.prepare(workspace, program)
    lock = data_folder(instance) / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{lock.parent}\n1\n{instance.port}\n\n127.0.0.1\n")
    [again] = service.prepare(workspace, program)
    with run_instance(again, workspace.log):
        assert postgres_ready(again.port)


def test_a_half_made_data_folder_is_no_data_folder(workspace: Workspace) -> None:
    service = services()["postgres"]
    program = program_of(service, workspace)
    major = service.version(program).split(".")[0]
    draft = workspace.data / f".postgres-{major}.999999999.dead"
    draft.mkdir()
    (draft / "PG_VERSION").write_text("half")
    [instance] = service.prepare(workspace, program)
    assert not draft.exists()
    with run_instance(instance, workspace.log):
        assert instance.ready()


def test_ready_is_false_at_a_port_that_takes_connections_and_says_nothing(
    workspace: Workspace,
) -> None:
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert not postgres_ready(silent.getsockname()[1])


def test_those_of_one_durability_each_run_side_by_side(workspace: Workspace) -> None:
    programs = {name: program_of(services()[name], workspace) for name in ("redis", "mysql")}
    instances, missing = prepare_all(workspace, programs)
    assert missing == {}
    with run_all(instances, workspace.log):
        assert {instance.name for instance in instances if instance.ready()} == {
            "mysql-fast",
            "mysql-safe",
            "redis-fast",
            "redis-safe",
            "redis-volatile",
        }


def test_an_instance_that_dies_at_once_is_told(workspace: Workspace) -> None:
    service = services()["memcached"]
    [instance] = service.prepare(workspace, program_of(service, workspace))
    with run_instance(instance, workspace.log):
        rival = start(instance, workspace.log)  # its port is taken
        try:
            assert rival.wait(PATIENCE) != 0
        finally:
            stop(instance, rival)


def listening(pid: int, port: int) -> set[str]:
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    found = [link for process in processes for link in connections(process)]
    listed = [link.laddr for link in found if link.status == psutil.CONN_LISTEN]
    assert port in {address.port for address in listed}
    return {address.ip.removeprefix("::ffff:") for address in listed}


def connections(process: psutil.Process) -> list[Any]:
    with contextlib.suppress(psutil.NoSuchProcess):  # a worker that PostgreSQL had for a moment
        return list(process.net_connections("inet"))
    return []


def account() -> str:
    return pwd.getpwuid(os.getuid() or 65534).pw_name


def data_folder(instance: Instance) -> Path:
    return Path(instance.command[instance.command.index("-D") + 1])


ABANDON = """
import os, signal, sys
from pathlib import Path
from deploy.services import Workspace, services
from deploy.services.child_processes import start, wait_ready

workspace = Workspace(Path(sys.argv[1]), offset=int(sys.argv[2]), programs_folder=Path(sys.argv[3]))
service = services()[sys.argv[4]]
instance = service.prepare(workspace, service.obtain(workspace, lambda _: None))[0]
process = start(instance, workspace.log)
wait_ready(instance, process)
print(process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("name", ["redis", "postgres"])
def test_it_does_not_outlive_whoever_started_it(name: str, workspace: Workspace) -> None:
    program_of(services()[name], workspace)
    workspace.log.mkdir(parents=True, exist_ok=True)
    told = [str(workspace.root), str(workspace.offset), str(workspace.programs), name]
    killed = subprocess.run(
        [sys.executable, "-c", ABANDON, *told], capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    pid = int(killed.stdout)
    eventually(lambda: gone(pid))


def gone(pid: int) -> bool:
    """Whether a process whose parent is gone too has ended, waited for or not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True
