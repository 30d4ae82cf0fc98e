"""memcached: one instance, memory only."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from deploy.services.base import Instance, ManagedService, Program, Way, Workspace
from deploy.services.folders import data_folder, folder_errors
from deploy.services.probe import replies
from deploy.services.ways.debian import Debian
from deploy.services.ways.path import OnPath

if TYPE_CHECKING:
    from collections.abc import Sequence

MEGABYTES = 256


class MemcachedServer(ManagedService):
    """memcached, from PATH or Debian's package."""

    name = "memcached"
    title = "memcached"
    names = ("memcached",)

    @property
    def ways(self) -> Sequence[Way]:
        """PATH, then Debian's package."""
        return OnPath(("memcached",)), Debian("memcached", "usr/bin/memcached")

    def prepare(self, workspace: Workspace, program: Program) -> list[Instance]:
        """Make its working directory."""
        port = workspace.port("memcached")
        listen = ("-l", "127.0.0.1", "-p", str(port), "-U", "0")
        with folder_errors(workspace, self.title):
            folder = data_folder(workspace, "memcached")
        instance = Instance(
            name="memcached",
            service="memcached",
            port=port,
            command=(str(program.file), *listen, "-m", str(MEGABYTES), "-c", "4096"),
            env=program.env,
            user=workspace.account,
            stop_signal="TERM",
            cwd=folder,
            ready=partial(replies, port, b"version\r\n", b"VERSION "),
        )
        return [instance]
