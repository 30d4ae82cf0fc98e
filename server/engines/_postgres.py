"""What the PostgreSQL engines share: the tables, the statements, how durability is reached."""

from __future__ import annotations

from server.engines.base import Promise, Service
from server.words import Durability, Operation

SERVICE = Service("postgres", {None: "postgresql://postgres@127.0.0.1:15432/windtunnel"})

DURABILITIES = {
    Durability.VOLATILE: Promise("UNLOGGED table, synchronous_commit=off", False, False),
    Durability.FAST: Promise("synchronous_commit=off", False, False),
    Durability.SAFE: Promise("synchronous_commit=on, fsync=on", True, True),
}

ROUND_TRIPS = dict.fromkeys(Operation, 1) | {Operation.EDIT: 2}
