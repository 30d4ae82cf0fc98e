"""Real gunicorns for tests, with the configuration that people get."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.databases import held_port
from tests.server.conftest import Server
from tests.stacks import eventually

CONF = Path(__file__).parent.parent.parent / "deploy" / "gunicorn.conf.py"

DEPRECATED = ("clear_current", "There is no current event loop")
STRICT = ("-W", "error", *(f"-Wignore:{text}:DeprecationWarning" for text in DEPRECATED))
"""gunicorn's tornado worker calls what Tornado and, from 3.12 on, Python deprecate."""


@contextlib.contextmanager
def gunicorn(worker: str, *arguments: str, **environ: str) -> Iterator[Server]:
    """Run a gunicorn with one worker of a kind until the block ends."""
    with held_port() as port:
        yield from _running(port, worker, arguments, environ)


def _running(
    port: int, worker: str, arguments: Sequence[str], environ: Mapping[str, str]
) -> Iterator[Server]:
    command = ["--config", str(CONF), "--worker-class", worker, "--bind", f"127.0.0.1:{port}"]
    process = subprocess.Popen(
        [sys.executable, *STRICT, "-m", "gunicorn", *command, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environ},
    )
    server = Server(process, port)
    try:
        eventually(lambda: process.poll() is not None or _ready(server))
        assert process.poll() is None, process.communicate()[1]
        yield server
    finally:
        process.terminate()
        process.communicate()


def _ready(server: Server) -> bool:
    try:
        return server.call("GET", "/readyz").status == 200
    except OSError:
        return False
