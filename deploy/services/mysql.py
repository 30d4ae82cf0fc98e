"""MariaDB: one instance per durability, as the flushing of its log holds for a whole server."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.services.base import (
    Instance,
    ManagedService,
    Program,
    Say,
    UnavailableError,
    Way,
    Workspace,
)
from deploy.services.commands import CommandFailedError, run
from deploy.services.folders import data_folder_from, folder_errors, template_folder
from deploy.services.probe import first_reply
from deploy.services.ways.debian import Debian
from deploy.services.ways.path import OnPath

if TYPE_CHECKING:
    from collections.abc import Sequence

FLUSH = {"mysql-fast": "2", "mysql-safe": "1"}
DATABASE = "windtunnel"
TABLES = ("mysql_system_tables.sql", "mysql_system_tables_data.sql", "mysql_performance_tables.sql")
SETTINGS = {
    "innodb-buffer-pool-size": "128M",
    "innodb-log-file-size": "96M",
    "innodb-buffer-pool-load-at-startup": "OFF",
    "innodb-buffer-pool-dump-at-shutdown": "OFF",
    "performance-schema": "OFF",
    "character-set-server": "utf8mb4",
    "max-connections": "500",
    "key-buffer-size": "1M",
    "socket": "mysqld.sock",  # in the data folder: a long project path would not fit
    "bind-address": "127.0.0.1",
}


class MysqlServer(ManagedService):
    """MariaDB, from PATH or Debian's package."""

    name = "mysql"
    title = "MariaDB"
    names = tuple(FLUSH)

    @property
    def ways(self) -> Sequence[Way]:
        """PATH, then Debian's package; the versioned names are Ubuntu's."""
        package = "mariadb-server-core|mariadb-server-core-10.6"
        return MariadbOnPath(("mariadbd", "mysqld")), Debian(package, "usr/sbin/mariadbd")

    def prepare(self, workspace: Workspace, program: Program) -> list[Instance]:
        """Copy the template that `--bootstrap` made; InnoDB recovers what was killed."""
        with folder_errors(workspace, self.title):
            release = ".".join(self.version(program).split(".")[:2])
            bootstrap = partial(_bootstrap, workspace, program)
            template = template_folder(workspace, f"mysql-template-{release}", bootstrap)
            folders = {
                name: data_folder_from(workspace, f"{name}-{release}", template)
                for name in self.own_instances(workspace)
            }
        return [_instance(workspace, program, name, folder) for name, folder in folders.items()]


class MariadbOnPath(OnPath):
    """A program on PATH that is MariaDB's: MySQL's `mysqld` is set up in another way."""

    def obtain(self, workspace: Workspace, say: Say) -> Program:
        """Look for it; raises UnavailableError for MySQL's."""
        program = super().obtain(workspace, say)
        try:
            output = run([str(program.file), "--no-defaults", "--version"])
        except CommandFailedError as error:
            raise UnavailableError(f"{program.file} does not run here: {error}") from error
        if "MariaDB" not in output:
            raise UnavailableError(f"{program.file} is not MariaDB")
        return program


def _instance(workspace: Workspace, program: Program, name: str, folder: Path) -> Instance:
    port = workspace.port(name)
    settings = {**_folders(folder), "port": str(port), **SETTINGS}
    settings["innodb-flush-log-at-trx-commit"] = FLUSH[name]
    return Instance(
        name=name,
        service="mysql",
        port=port,
        command=(*_base(program), "--skip-name-resolve", *_flags(settings)),
        env=program.env,
        user=workspace.account,
        stop_signal="TERM",
        cwd=folder,
        ready=partial(ready, port),
    )


def ready(port: int) -> bool:
    """Return whether it sends its handshake: protocol version 10, not an error packet."""
    return first_reply(port, b"", 5)[4:5] == b"\x0a"


def _bootstrap(workspace: Workspace, program: Program, folder: Path) -> None:
    scripts = [_share(program) / name for name in TABLES]
    sql_scripts = "".join(script.read_text() for script in scripts if script.exists())
    sql = f"CREATE DATABASE mysql;\nUSE mysql;\n{sql_scripts}\nCREATE DATABASE {DATABASE};\n"
    settings = {**_folders(folder), **SETTINGS}
    command = [*_base(program), "--bootstrap", "--skip-networking", *_flags(settings)]
    run(command, stdin=sql, env=program.env, user=workspace.account)


def _folders(folder: Path) -> dict[str, str]:
    """A server that starts removes all temporary tables from its `tmpdir`, also another's."""
    return {"datadir": str(folder), "tmpdir": str(folder)}


def _base(program: Program) -> tuple[str, ...]:
    share = _share(program)
    return (str(program.file), "--no-defaults", f"--lc-messages-dir={share}", "--skip-log-bin")


def _share(program: Program) -> Path:
    return program.file.parent.parent / "share" / "mysql"


def _flags(settings: dict[str, str]) -> list[str]:
    return [f"--{key}={value}" for key, value in settings.items()]
