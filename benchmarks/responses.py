"""What a response costs: `read` from memory against a bare RequestHandler with the same bytes."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Final

from benchmarks.bare_server import PATH
from benchmarks.harness import Check, ExperimentError
from benchmarks.processes import ModuleProcess, module_process, server_process
from windtunnel.recording import cpu

CPU_LIMIT: Final = 1.09
"""Server CPU time of a response, as a multiple of the bare handler's; 1.058 to 1.068 were measured
on 28 November 2026."""

STARTS, PAIRS, REQUESTS, CONNECTIONS = 5, 8, 1000, 8

STORE: Final = "memory/async/volatile"

RECORD: Final = {
    "topic": "what an answer costs, and what it is made of",
    "when": "2026-11-21T02:48:24.123Z",
    "duration": 12.5,
    "tags": ["perf", "bare", "read"],
}


class LoadedServer:
    """A server process and the process that loads it."""

    def __init__(self, server: ModuleProcess, generator: ModuleProcess) -> None:
        self._server = server
        self._generator = generator

    def cpu_us(self, requests: int) -> float:
        """Return the server's CPU time of a request in microseconds, over `requests` of them.

        Raises ExperimentError where a request fails.
        """
        start_ns = cpu.cpu_ns(self._server.pid)
        self._generator.write_line(str(requests))
        if self._generator.read_line() != "done":
            raise ExperimentError("the load on the server failed")
        return (cpu.cpu_ns(self._server.pid) - start_ns) / requests / 1000


@contextmanager
def loaded(server: ModuleProcess, port: int, path: str) -> Iterator[LoadedServer]:
    """Connect a generator to a server."""
    arguments = (str(port), path, str(CONNECTIONS))
    with module_process("benchmarks.fixed_load", *arguments) as generator:
        yield LoadedServer(server, generator)


def create_record(port: int) -> tuple[str, bytes]:
    """Create a record; return its path and its JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", f"/{STORE}/records", json.dumps(RECORD), headers)
    response = connection.getresponse()
    body, path = response.read(), response.headers["Location"]
    connection.close()
    return path, body


@contextmanager
def loaded_store(loop: str) -> Iterator[tuple[LoadedServer, bytes]]:
    """Start our server with one record in it; give it and the body of its response."""
    with server_process("--loop", loop) as (server, port):
        path, body = create_record(port)
        with loaded(server, port, path) as load:
            yield load, body


@contextmanager
def loaded_bare_handler(body: bytes) -> Iterator[LoadedServer]:
    """Start the bare handler, which responds with `body`."""
    with module_process("benchmarks.bare_server") as server:
        server.write_line(body.decode())
        with loaded(server, int(server.read_line()), PATH) as load:
            yield load


def measure_start() -> tuple[list[float], list[float]]:
    """Start both servers afresh and load them in turn.

    Returns the CPU microseconds of a response of the store and of the bare handler, a pair of
    blocks at the same index.
    """
    with loaded_store("asyncio") as (store, body), loaded_bare_handler(body) as bare:
        servers = (store, bare)
        for server in servers:  # warm-up
            server.cpu_us(REQUESTS)
        times_us: tuple[list[float], list[float]] = ([], [])
        for number in range(PAIRS):
            for index in (0, 1) if number % 2 else (1, 0):
                times_us[index].append(servers[index].cpu_us(REQUESTS))
    return times_us


def answers() -> Iterator[Check]:
    """Server CPU of a response; the median of several starts of both servers."""
    starts = [measure_start() for _ in range(STARTS)]
    ratios = [median(a / b for a, b in zip(*times_us, strict=True)) for times_us in starts]
    store_us, bare_us = (median(median(times_us[i]) for times_us in starts) for i in (0, 1))
    ratio = median(ratios)
    spread = f"{min(ratios):.3f} to {max(ratios):.3f} in {STARTS} starts"
    yield Check(
        f"GET a record of {STORE}",
        f"{bare_us:.1f} us {store_us - bare_us:+.1f} = {ratio:.3f} ({spread})",
        f"{CPU_LIMIT:.2f}",
        ratio <= CPU_LIMIT,
    )
