"""MariaDB: an instance a durability, as when its log is flushed holds for the whole server."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.services.base import Instance, Missing, Program, Say, Service, Way, Workspace
from deploy.services.folders import plainly, template, templated
from deploy.services.probe import tell
from deploy.services.shell import Failed, run
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


class Mysql(Service):
    """MariaDB, from PATH or Debian's package."""

    name = "mysql"
    title = "MariaDB"
    names = tuple(FLUSH)

    @property
    def ways(self) -> Sequence[Way]:
        """PATH, then Debian's package; the versioned names are Ubuntu's."""
        package = "mariadb-server-core|mariadb-server-core-10.6"
        return OnMariadb(("mariadbd", "mysqld")), Debian(package, "usr/sbin/mariadbd")

    def prepare(self, workspace: Workspace, program: Program) -> list[Instance]:
        """Copies the template that the bootstrap made; InnoDB recovers what was killed."""
        with plainly(workspace, self.title):
            major = ".".join(self.version(program).split(".")[:2])
            made = template(
                workspace, f"mysql-template-{major}", partial(_bootstrap, workspace, program)
            )
            return [
                _instance(workspace, program, name, templated(workspace, f"{name}-{major}", made))
                for name in self.own_instances(workspace)
            ]


class OnMariadb(OnPath):
    """A program on PATH that is MariaDB's: MySQL's `mysqld` is set up in another way."""

    def obtain(self, workspace: Workspace, say: Say) -> Program:
        """Looks; raises Missing for another maker's."""
        program = super().obtain(workspace, say)
        try:
            said = run([str(program.file), "--no-defaults", "--version"])
        except Failed as failed:
            raise Missing(f"{program.file} does not run here: {failed}") from failed
        if "MariaDB" not in said:
            raise Missing(f"{program.file} is not MariaDB")
        return program


def _instance(workspace: Workspace, program: Program, name: str, folder: Path) -> Instance:
    port = workspace.port(name)
    where = {**_folders(folder), "port": str(port)}
    flush = {"innodb-flush-log-at-trx-commit": FLUSH[name]}
    return Instance(
        name=name,
        service="mysql",
        port=port,
        command=(*_base(program), "--skip-name-resolve", *_flags({**where, **SETTINGS, **flush})),
        env=program.env,
        user=workspace.account,
        stop_signal="TERM",
        cwd=folder,
        ready=partial(ready, port),
    )


def ready(port: int) -> bool:
    """Whether it greets with its handshake: protocol version 10, not an error packet."""
    return tell(port, b"", 5)[4:5] == b"\x0a"


def _bootstrap(workspace: Workspace, program: Program, folder: Path) -> None:
    scripts = [_share(program) / name for name in TABLES]
    made = "".join(script.read_text() for script in scripts if script.exists())
    sql = f"CREATE DATABASE mysql;\nUSE mysql;\n{made}\nCREATE DATABASE {DATABASE};\n"
    here = {**_folders(folder), **SETTINGS}
    command = [*_base(program), "--bootstrap", "--skip-networking", *_flags(here)]
    run(command, given=sql, env=program.env, user=workspace.account)


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
