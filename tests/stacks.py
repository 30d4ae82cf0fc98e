"""Stacks of the tests' own: a folder and ports that nothing else uses, and nothing left behind."""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import psutil

from deploy.cleanup import end_processes, find_orphans
from deploy.layout import Layout
from deploy.lifecycle import down
from deploy.ports import is_free
from deploy.services import PORTS, Workspace
from deploy.stack import Stack

RUN = Path(__file__).parent.parent / ".run"
PROCESS_PORTS = (*range(10000, 10006), *range(10011, 10014), 10051, 10052)


@contextmanager
def own_workspace(parent: Path | None = None) -> Iterator[Workspace]:
    """A workspace of its own, whose stack is down in the end; the programs are the project's."""
    folder = Path(tempfile.mkdtemp(prefix="windtunnel-", dir=parent))
    folder.chmod(0o755)  # servers that root starts run as nobody
    workspace = Workspace(
        folder / "run", offset=free_offset(), programs_folder=Workspace(RUN).programs
    )
    try:
        yield workspace
        down(workspace)
        assert left_over(workspace) == []
    finally:
        end_processes(left_over(workspace))
        shutil.rmtree(folder, ignore_errors=True)


def left_over(workspace: Workspace) -> list[psutil.Process]:
    """What of this workspace still runs."""
    layout = Layout(workspace)
    return find_orphans(layout)


def free_offset() -> int:
    """An offset at which every port of a stack is free, below those that the kernel gives out.

    Test processes side by side look in ranges of their own: a port is taken some time after it was
    found to be free.
    """
    first = 100 if os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0" else 1750
    while True:
        offset = random.randrange(first, first + 1650)
        if all(is_free(port + offset) for port in (*PORTS.values(), *PROCESS_PORTS)):
            return offset


def free_ports(count: int) -> Sequence[int]:
    """Ports that nobody listens on now."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


PATIENCE = 120.0
"""Seconds; machines are shared and slow, and a condition that holds is not waited for."""


def eventually(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until a condition holds; fails when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


class Door:
    """What servers go through before they get ready, if they are started with its `environ`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "door.py").write_text(DOOR)
        self._shut = folder / "door.shut"
        self.environ = {"WINDTUNNEL_ENGINES": str(folder)}

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Let none of them through until the block ends."""
        self._shut.touch()
        try:
            yield
        finally:
            self._shut.unlink()


DOOR = """
import time
from pathlib import Path
while Path(__file__).with_suffix(".shut").exists():
    time.sleep(0.02)
"""


@contextmanager
def half_sent(port: int, number: int) -> Iterator[Callable[[], list[int]]]:
    """Requests that nginx has, but for the end of their bodies; a call sends it.

    It returns what they were answered. Until then a worker of nginx that was told to leave stays.
    """
    with ExitStack() as block:
        links = [
            block.enter_context(closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)))
            for _ in range(number)
        ]
        for link in links:
            link.putrequest("PUT", "/memory/async/volatile/records")
            link.putheader("Content-Type", "application/json")
            link.putheader("Content-Length", "2")
            link.putheader("Expect", "100-continue")
            link.endheaders()
            told = link.sock.recv(64)
            assert told.startswith(b"HTTP/1.1 100 "), told
            link.send(b"[")

        def answered() -> list[int]:
            for link in links:
                link.send(b"]")
            return [link.getresponse().status for link in links]

        yield answered


@contextmanager
def under_way(running: Stack, path: str, number: int) -> Iterator[list[Future[int]]]:
    """Requests that processes work on, until they are answered."""

    def asked() -> int:
        with urllib.request.urlopen(running.state.nginx + path) as answer:
            answer.read()
            return int(answer.status)

    before = requests(running)
    with ThreadPoolExecutor(number) as pool:
        futures = [pool.submit(asked) for _ in range(number)]
        eventually(lambda: requests(running) >= before + number)
        yield futures


def requests(running: Stack) -> int:
    """How many requests all processes work on."""
    total = 0
    for url in running.state.processes:
        with urllib.request.urlopen(url + "/metrics") as answer:
            told = re.search(
                r"^windtunnel_requests_in_flight (\d+)", answer.read().decode(), re.MULTILINE
            )
            total += int(told[1]) if told else 0
    return total
