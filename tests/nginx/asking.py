"""Requests to an nginx, and a process behind it that waits or hangs up when it is told to."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from nginx.apply import Nginx

RECORDS = "/memory/async/volatile/records"


def ask(
    nginx: Nginx, path: str, method: str = "GET", body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=30)) as link:
        link.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = link.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


def served_by(nginx: Nginx, path: str = "/ping", method: str = "GET", **headers: str) -> int:
    """The port of the process that answered."""
    return int(ask(nginx, path, method, b"", **headers)[1]["x-process"].split("-")[1])


class Gate(ThreadingHTTPServer):
    """An HTTP server that holds `/hold` until it is opened and hangs up on `/drop`.

    `seen` has the method, the path and the client's port of each request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, str, int]] = []
        self.open = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.seen]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gate

    def _answer(self) -> None:
        self.server.seen.append((self.command, self.path, self.client_address[1]))
        if self.path == "/drop":
            self.close_connection = True
            return
        if self.path == "/hold":
            self.server.open.wait(30)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PATCH = do_PUT = _answer  # noqa: N815 - http.server asks for these

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def gate() -> Iterator[Gate]:
    with Gate() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.open.set()
            server.shutdown()
            thread.join()
