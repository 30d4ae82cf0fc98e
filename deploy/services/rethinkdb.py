"""RethinkDB: no package registry has its server, so it runs where a machine has it already."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from deploy.services.base import Instance, Missing, Place, Program, Say, Service, Way
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

    def obtain(self, place: Place, say: Say) -> Program:
        """As every service; raises Missing with the container's command."""
        try:
            return super().obtain(place, say)
        except Missing as missing:
            raise Missing(missing.reason, MEND) from missing

    def prepare(self, place: Place, program: Program) -> list[Instance]:
        """Makes the folder that its own folder is made in."""
        port = place.port("rethinkdb")
        with plainly(place, self.title):
            folder = empty(place, "rethinkdb")
        listen = ("--bind", "127.0.0.1", "--no-http-admin", "--driver-port", str(port))
        store = ("--directory", str(folder / "data"), "--cache-size", "256", "--no-update-check")
        cluster = ("--cluster-port", str(place.port("rethinkdb-cluster")))
        instance = Instance(
            name="rethinkdb",
            service="rethinkdb",
            port=port,
            command=(str(program.file), *store, *listen, *cluster),
            env=program.env,
            user=place.account,
            stop_signal="INT",
            cwd=folder,
            ready=partial(ask, port, MAGIC, b'"success":true'),
        )
        return [instance]
