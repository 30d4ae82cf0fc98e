"""The processes of an experiment: a real server, and proxies before it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from validation.proxy import ProxiedRequest
from validation.verdict import ExperimentError

ROOT = Path(__file__).parents[1]


@contextmanager
def server() -> Iterator[int]:
    """Start a server process at a free port and give that; raises ExperimentError."""
    with _process("server", "--port", "0") as process:
        assert process.stdout is not None
        line = next((line for line in process.stdout if " serves " in line), None)
        if line is None:
            raise ExperimentError("the server did not start: try `python -m server`")
        yield int(line.rpartition(":")[2])


class ProxyProcess:
    """A proxy under way; `seen` ends it and returns what it saw."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._process = process
        self.port = int(process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def seen(self) -> list[ProxiedRequest]:
        """Return every request, in the order of arrival."""
        told, _ = self._process.communicate(timeout=60)
        return msgspec.json.decode(told, type=list[ProxiedRequest])


@contextmanager
def proxy(port: int, harm: str, *numbers: float) -> Iterator[ProxyProcess]:
    """Start a proxy before `port` that does a harm of `validation.faults`."""
    with _process("validation.proxy", str(port), harm, *map(str, numbers)) as process:
        yield ProxyProcess(process)


@contextmanager
def _process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command(*arguments),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # it probes databases that are not up, and says so
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def command(*arguments: str) -> Sequence[str]:
    """Return the command line of one of our modules."""
    return [sys.executable, "-m", *arguments]
