"""A workspace of an experiment's own, so that a stack that is up is left alone."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy import layout, lifecycle
from deploy.ports import FIRST_PORT, NGINX_PORT, is_free
from deploy.services import PORTS, Workspace

OFFSETS = range(3450, 3650)
"""What may be added to every port: above the tests', below the ports that the kernel gives out."""

PROCESSES = 4


@contextmanager
def own_workspace() -> Iterator[Workspace]:
    """Give an empty folder and free ports, with the project's programs; at the end all is down."""
    with tempfile.TemporaryDirectory(prefix="windtunnel-") as folder:
        Path(folder).chmod(0o755)  # servers that root starts run as nobody
        programs = layout.default_workspace().programs
        workspace = Workspace(Path(folder), offset=_free_offset(), programs_folder=programs)
        try:
            yield workspace
        finally:
            lifecycle.down(workspace)


def environment(workspace: Workspace) -> dict[str, str]:
    """Return the environment in which commands use this workspace."""
    return {
        **os.environ,
        "WINDTUNNEL_FOLDER": str(workspace.root),
        "WINDTUNNEL_OFFSET": str(workspace.offset),
    }


def _free_offset() -> int:
    ports = (NGINX_PORT, *range(FIRST_PORT, FIRST_PORT + PROCESSES), *PORTS.values())
    while True:
        offset = random.choice(OFFSETS)
        if all(is_free(port + offset) for port in ports):
            return offset
