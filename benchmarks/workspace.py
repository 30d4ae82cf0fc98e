"""A stack's place of its own, so that one that is up is left alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy import layout, lifecycle
from deploy.services import Workspace

OFFSET = 1000


@contextmanager
def place() -> Iterator[Workspace]:
    """A folder of its own, beside the usual one's programs; in the end nothing runs in it."""
    with tempfile.TemporaryDirectory(prefix="windtunnel-perf-") as folder:
        Path(folder).chmod(0o755)  # servers that root starts run as nobody
        here = Workspace(
            Path(folder), offset=OFFSET, programs_folder=layout.default_workspace().programs
        )
        try:
            yield here
        finally:
            lifecycle.down(here)
