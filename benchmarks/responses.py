"""What an answer costs: `read` from memory against a bare RequestHandler with the same bytes."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from benchmarks.bare_server import PATH
from benchmarks.check import Verdict
from windtunnel.recording.cpu import cpu_ns

LIMIT = 1.10

STARTS, PAIRS, REQUESTS, CONNECTIONS = 5, 8, 1000, 8

STORE = "memory/async/volatile"

RECORD = {
    "topic": "what an answer costs, and what it is made of",
    "when": "2026-11-21T02:48:24.123Z",
    "duration": 12.5,
    "tags": ["perf", "bare", "read"],
}


class Loaded:
    """A server process and the process that loads it."""

    def __init__(self, server: subprocess.Popen[str], load: subprocess.Popen[str]) -> None:
        self._server = server
        self._load = load

    def microseconds(self, requests: int) -> float:
        """Return the server's CPU time for a request, over `requests` of them."""
        before = cpu_ns(self._server.pid)
        assert self._load.stdin
        assert self._load.stdout
        self._load.stdin.write(f"{requests}\n")
        self._load.stdin.flush()
        if self._load.stdout.readline() != "done\n":
            raise RuntimeError("the load on the server failed")
        return (cpu_ns(self._server.pid) - before) / requests / 1000


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a module of ours until the block ends."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", *arguments]
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def loaded(server: subprocess.Popen[str], port: int, path: str) -> Iterator[Loaded]:
    """Connect a load to a server."""
    with running("benchmarks.fixed_load", str(port), path, str(CONNECTIONS)) as load:
        yield Loaded(server, load)


def created(port: int) -> tuple[str, bytes]:
    """Create a record; return its path and its bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", f"/{STORE}/records", json.dumps(RECORD), headers)
    answer = connection.getresponse()
    body, path = answer.read(), answer.headers["Location"]
    connection.close()
    return path, body


@contextlib.contextmanager
def ours(loop: str) -> Iterator[tuple[Loaded, bytes]]:
    """Start our server with one record in it; yields it and the bytes of its answer."""
    with running("server", "--port", "0", "--loop", loop) as server:
        assert server.stdout
        address = server.stdout.readline().split()[-1]
        port = int(address.rpartition(":")[2])
        path, body = created(port)
        with loaded(server, port, path) as load:
            yield load, body


@contextlib.contextmanager
def bare(body: bytes) -> Iterator[Loaded]:
    """Start the yardstick, answering `body`."""
    with running("benchmarks.bare_server") as server:
        assert server.stdin
        assert server.stdout
        server.stdin.write(body.decode() + "\n")
        server.stdin.flush()
        with loaded(server, int(server.stdout.readline()), PATH) as load:
            yield load


def once() -> tuple[list[float], list[float]]:
    """Start both servers afresh and load them in turn; return microseconds of each."""
    with ours("asyncio") as (mine, body), bare(body) as yardstick:
        pair = (mine, yardstick)
        for each in pair:
            each.microseconds(REQUESTS)
        found: tuple[list[float], list[float]] = ([], [])
        for number in range(PAIRS):
            for which in (0, 1) if number % 2 else (1, 0):
                found[which].append(pair[which].microseconds(REQUESTS))
    return found


def answers() -> Iterator[Verdict]:
    """Measure over several starts of both; the figure is the median of the starts' ratios."""
    starts = [once() for _ in range(STARTS)]
    ratios = [median(a / b for a, b in zip(*found, strict=True)) for found in starts]
    mine, yardstick = (median(median(found[i]) for found in starts) for i in (0, 1))
    ratio = median(ratios)
    spread = f"{min(ratios):.3f} to {max(ratios):.3f} in {STARTS} starts"
    yield Verdict(
        f"GET a record of {STORE}",
        f"{yardstick:.1f} us {mine - yardstick:+.1f} = {ratio:.3f} ({spread})",
        f"{LIMIT:.2f}",
        ratio <= LIMIT,
    )
