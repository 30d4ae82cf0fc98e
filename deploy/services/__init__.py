"""One file, one database server and the ways to get it.

`services()` finds them, `obtain_all` gets their programs, `prepare_all` makes their data folders
and returns the instances to start. A new service is one file here with a subclass of
`ManagedService` in it.
"""

from deploy.services.base import (
    PORTS,
    Instance,
    ManagedService,
    Program,
    Say,
    UnavailableError,
    Workspace,
)
from deploy.services.registry import obtain_all, prepare_all, services

__all__ = [
    "PORTS",
    "Instance",
    "ManagedService",
    "Program",
    "Say",
    "UnavailableError",
    "Workspace",
    "obtain_all",
    "prepare_all",
    "services",
]
