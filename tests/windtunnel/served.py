"""A real server process for tests that load one; its memory store needs no database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass
class Server:
    """A process of `python -m server` that listens."""

    process: subprocess.Popen[str]
    url: str

    @property
    def port(self) -> str:
        """Its port."""
        return self.url.rpartition(":")[2]

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def server(port: str = "0", *more: str) -> Iterator[Server]:
    """Start a server at a free port, and stop it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "--port", port, *more],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = next(line for line in process.stdout if " serves " in line)
        yield Server(process, line.rpartition(" ")[2].strip())
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
