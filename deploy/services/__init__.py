"""One file, one database server and the ways to get it.

`services()` finds them, `ensure_all` gets their programs, `prepare_all` makes their data folders
and tells which instances to start. A new service is one file here with a `Service` class in it.
"""

from deploy.services.base import PORTS, Instance, Missing, Program, Say, Service, Workspace
from deploy.services.ensure import ensure_all, prepare_all, services

__all__ = [
    "PORTS",
    "Instance",
    "Missing",
    "Program",
    "Say",
    "Service",
    "Workspace",
    "ensure_all",
    "prepare_all",
    "services",
]
