"""Real server processes for the tests of the server, and a plain client for them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.databases import held_port
from tests.server.toy import Toy

ENGINES = Path(__file__).parent / "engines"

MEMORY = "/memory/async/volatile"

DRAFT: dict[str, Any] = {
    "topic": "Überraschung",
    "when": "2026-11-21T02:48:24.123Z",
    "duration": 1.5,
    "tags": ["a", "b"],
}


@dataclass(frozen=True)
class ServerResponse:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """A server process and a client of it; `call` opens a connection for each request."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def connect(self, timeout: float = 30.0) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> ServerResponse:
        """Send a request; a body that is no bytes goes as JSON."""
        default_headers = {"Content-Type": "application/json"} if body is not None else {}
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection = self.connect()
        try:
            connection.request(method, path, raw, {**default_headers, **(headers or {})})
            answer = connection.getresponse()
            return ServerResponse(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def create(self, store: str = MEMORY, **fields: Any) -> Any:
        answer = self.call("POST", f"{store}/records", {**DRAFT, **fields})
        assert answer.status == 201, answer.body
        return answer.json


@contextlib.contextmanager
def serving(*arguments: str, **environ: str) -> Iterator[Server]:
    """Run a server until the block ends; what it says on stderr is in the process."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "server", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environ},
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        if not line:
            raise AssertionError(f"the server did not start: {process.communicate()[1]}")
        port = line.rpartition(":")[2]
        yield Server(process, int(port) if port.strip().isdecimal() else 0)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def toy() -> Iterator[Toy]:
    with held_port() as port:
        server = Toy(port)
        yield server
        server.answering.set()
        server.stop()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server with our engines and those of the tests; `line` has no database."""
    with serving(WINDTUNNEL_ENGINES=str(ENGINES)) as running:
        yield running
