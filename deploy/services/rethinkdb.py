"""RethinkDB: no package registry has its server, so it runs where a machine has it already."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from deploy.services.base import Instance, Missing, Program, Say, Service, Way, Workspace
from deploy.services.folders import empty, plainly
from deploy.services.probe import ask
from deploy.services.ways.path import OnPath

if TYPE_CHECKING:
    from collections.abc import Sequence

MAGIC = (0x34C2BDC3).to_bytes(4, "little")  # V1_0 of its handshake
MEND = "docker compose -f deploy/compose.yaml up -d rethinkdb"


class Rethinkdb(Service):
    """RethinkDB, from PATH or at an address."""

    name = "rethinkdb"
    title = "RethinkDB"
    names = ("rethinkdb",)

    @property
    def ways(self) -> Sequence[Way]:
        """PATH alone."""
        return (OnPath(("rethinkdb",)),)

    def obtain(self, workspace: Workspace, say: Say) -> Program:
        """As every service; raises Missing with the container's command."""
        try:
            return super().obtain(workspace, say)
        except Missing as missing:
            raise Missing(missing.reason, MEND) from missing

    def prepare(self, workspace: Workspace, program: Program) -> list[Instance]:
        """Makes the folder that its own folder is made in."""
        port = workspace.port("rethinkdb")
        with plainly(workspace, self.title):
            folder = empty(workspace, "rethinkdb")
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
            ready=partial(ask, port, MAGIC, b'"success":true'),
        )
        return [instance]
