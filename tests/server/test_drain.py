"""SIGTERM: what was accepted is pending_answer, then the process ends."""

from __future__ import annotations

import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from server.listener import LINGER
from tests.server.conftest import ENGINES, MEMORY, Server, serving
from tests.server.toy import Toy
from tests.stacks import eventually

PING = b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"

ID = "0" * 24


def request_steadily(server: Server, path: str, events: list[str]) -> None:
    """Send one request after another until the server closes; record what came back.

    A client so slow that its connection counts as idle may find it closed.
    """
    connection = server.connect()
    before = time.monotonic()
    while True:
        sent = time.monotonic()
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
        except OSError as error:
            idle = time.monotonic() - before > LINGER
            events.append("idle" if idle else f"dropped: {error!r}")
            return
        before = sent
        events.append(str(answer.status))
        if answer.getheader("Connection") == "close":
            events.append("closed")
            return


def connect_steadily(server: Server, events: list[str]) -> None:
    """Open a connection for each request until they are refused."""
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        except ConnectionRefusedError:
            events.append("refused")
            return
        try:
            connection.sendall(PING)
            data = b""
            while not data.endswith(b"pong") and (more := connection.recv(4096)):
                data += more
            events.append("pong" if data.endswith(b"pong") else "dropped: end of file")
        except OSError as error:
            events.append(f"dropped: {error!r}")
        finally:
            connection.close()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_nothing_is_dropped_under_load(loop: str) -> None:
    events: list[str] = []  # whose append no other thread can come between
    paths = ["/ping", "/memory/threads/volatile/records", f"{MEMORY}/records"] * 3
    with serving("--loop", loop) as server, ThreadPoolExecutor(len(paths) + 3) as pool:
        for path in paths:
            pool.submit(request_steadily, server, path, events)
        for _ in range(3):
            pool.submit(connect_steadily, server, events)
        eventually(lambda: events.count("200") > 300 and events.count("pong") > 30)
        server.process.send_signal(signal.SIGTERM)
        pool.shutdown()
        assert server.process.wait(timeout=60) == 0
        assert server.process.stderr
        assert server.process.stderr.read() == ""
    counts = Counter(events)
    assert not [name for name in counts if name.startswith("dropped")], counts
    assert (counts["closed"] + counts["idle"], counts["refused"]) == (len(paths), 3), counts


@pytest.fixture
def near(toy: Toy) -> Iterator[Server]:
    with serving(
        *("--deadline", "30"),
        WINDTUNNEL_ENGINES=str(ENGINES),
        WINDTUNNEL_LINE_URL=f"127.0.0.1:{toy.port}",
    ) as server:
        yield server


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def is_draining(server: Server) -> bool:
    """Return whether the port is closed."""
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=30).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_request_under_way_is_finished(near: Server, toy: Toy) -> None:
    toy.answering.clear()
    probe = near.connect()
    probe.request("GET", "/readyz")
    assert probe.getresponse().read() == b'{"status":"ok"}'
    probe.putrequest("GET", "/readyz")
    probe.putheader("Content-Length", "1")
    probe.endheaders()  # what waits for a body is not idle, and is not closed as that
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(near.call, "GET", f"/line/async/volatile/records/{ID}")
        assert toy.asked.acquire(timeout=30)
        near.process.send_signal(signal.SIGTERM)
        eventually(lambda: is_draining(near))
        probe.send(b" ")
        answer = probe.getresponse()
        assert (answer.status, answer.read()) == (503, b'{"status":"draining"}')
        assert answer.getheader("Connection") == "close"
        toy.answering.set()
        pending_answer = reading.result()
    assert (pending_answer.status, pending_answer.headers["Connection"]) == (200, "close")
    probe.close()
    assert near.process.wait(timeout=60) == 0


def test_an_upload_under_way_is_finished() -> None:
    """Even though it takes longer than an idle connection is kept."""
    body = b"[" + b" " * 100_000 + b"]"
    with serving() as server, connect(server) as connection, connect(server) as idle:
        head = f"PUT {MEMORY}/records HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:50_000])
        assert server.call("GET", "/ping").status == 200
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: is_draining(server))
        assert idle.recv(1) == b""
        connection.sendall(body[50_000:])
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
        assert answer.endswith(b'{"ids":[]}')
        assert server.process.wait(timeout=60) == 0


def test_idle_connections_do_not_hold_it_up() -> None:
    with serving() as server:
        used, fresh = server.connect(), server.connect()
        used.request("GET", "/ping")
        used.getresponse().read()
        fresh.connect()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=60) == 0
        used.close()
        fresh.close()


def test_a_second_signal_ends_it_at_once(near: Server, toy: Toy) -> None:
    toy.answering.clear()
    with connect(near) as connection:
        path = f"/line/async/volatile/records/{ID}"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert toy.asked.acquire(timeout=30)
        near.process.send_signal(signal.SIGTERM)
        eventually(lambda: is_draining(near))
        near.process.send_signal(signal.SIGINT)
        assert near.process.wait(timeout=60) == 0
        assert near.process.stderr
        assert "Traceback" not in near.process.stderr.read()
