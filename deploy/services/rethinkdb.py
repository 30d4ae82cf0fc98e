"""RethinkDB: no package registry has its server, so it runs where a machine has it already."""

from __future__ import annotations

from functools import partial
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
from deploy.services.folders import data_folder, folder_errors
from deploy.services.probe import replies
from deploy.services.ways.path import OnPath

if TYPE_CHECKING:
    from collections.abc import Sequence

MAGIC = (0x34C2BDC3).to_bytes(4, "little")  # V1_0 of its handshake
FIX = "docker compose -f deploy/compose.yaml up -d rethinkdb"


class RethinkdbServer(ManagedService):
    """RethinkDB, from PATH or at an address."""

    name = "rethinkdb"
    title = "RethinkDB"
    names = ("rethinkdb",)

    @property
    def ways(self) -> Sequence[Way]:
        """PATH alone."""
        return (OnPath(("rethinkdb",)),)

    def obtain(self, workspace: Workspace, say: Say) -> Program:
        """Do as every service; raises UnavailableError with the command that starts a container."""
        try:
            return super().obtain(workspace, say)
        except UnavailableError as error:
            raise UnavailableError(error.reason, FIX) from error

    def prepare(self, workspace: Workspace, program: Program) -> list[Instance]:
        """Make the folder in which the server makes its own."""
        port = workspace.port("rethinkdb")
        with folder_errors(workspace, self.title):
            folder = data_folder(workspace, "rethinkdb")
        listen = ("--bind", "127.0.0.1", "--no-http-admin", "--driver-port", str(port))
        store = ("--directory", str(folder / "data"), "--cache-size", "256", "--no-update-check")
        cluster = ("--cluster-port", str(workspace.port("rethinkdb-cluster")))
        instance = Instance(
            name="rethinkdb",
            service="rethinkdb",
            port=port,
            command=(str(program.file), *store, *listen, *cluster),
            env=program.env,
            user=workspace.account,
            stop_signal="INT",
            cwd=folder,
            ready=partial(replies, port, MAGIC, b'"success":true'),
        )
        return [instance]
