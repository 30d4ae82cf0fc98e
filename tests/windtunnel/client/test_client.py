"""The client on real sockets: responses that come whole, cut, late, false or not at all."""

from __future__ import annotations

import socket
import struct

import gevent
import pytest
from gevent import socket as gsocket
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.windtunnel.scripted import (
    CHUNKED,
    INTERIM,
    PLAIN,
    UNKNOWN,
    cut,
    receive_head,
    responding,
    served,
)
from windtunnel.client.address import Address
from windtunnel.client.client import Client
from windtunnel.client.deadlines import Deadlines
from windtunnel.client.response import (
    CLOSED,
    MALFORMED,
    OK,
    OVERSIZE,
    REFUSED,
    RESET,
    STALE,
    TIMEOUT,
)


@pytest.mark.parametrize("wire", [PLAIN, CHUNKED, INTERIM], ids=["plain", "chunked", "interim"])
def test_a_response_cut_at_every_byte_is_whole(wire: bytes) -> None:
    pieces = [cut(wire, [position]) for position in range(1, len(wire))]
    with served(responding(*pieces)) as client:
        for _ in pieces:
            response = client.request("GET", "/")
            assert (response.outcome, response.status, response.body) == (OK, 200, b"hello")
        assert client.connections == 1


@pytest.mark.parametrize("wire", [PLAIN, CHUNKED, INTERIM], ids=["plain", "chunked", "interim"])
def test_a_response_that_ends_at_any_byte_is_a_failure(wire: bytes) -> None:
    for position in range(len(wire)):
        with served(responding([wire[:position]])) as client:
            response = client.request("GET", "/")
            assert (response.outcome, response.status, response.body) == (CLOSED, 0, b"")


def test_a_response_without_a_length_ends_with_the_connection() -> None:
    for position in range(UNKNOWN.index(b"\r\n\r\n") + 4, len(UNKNOWN) + 1):
        with served(responding([UNKNOWN[:position]])) as client:
            response = client.request("GET", "/")
            assert (response.outcome, response.status) == (OK, 200)
            assert response.body == UNKNOWN[:position].partition(b"\r\n\r\n")[2]


NAME = st.text("abcXYZ-", min_size=1, max_size=8).filter(lambda n: n.strip("-"))
VALUE = st.text("abc 123;=/", max_size=12).map(str.strip)


@settings(max_examples=150, deadline=None)
@given(
    status=st.sampled_from([200, 201, 400, 404, 422, 503]),
    fields=st.dictionaries(NAME.map(lambda n: "X-" + n), VALUE, max_size=4),
    parts=st.lists(st.binary(min_size=1, max_size=300), max_size=4),
    chunked=st.booleans(),
    interim=st.booleans(),
    positions=st.lists(st.integers(0, 5000), max_size=12),
)
def test_any_response_however_cut_is_read_as_it_was_sent(
    status: int,
    fields: dict[str, str],
    parts: list[bytes],
    chunked: bool,
    interim: bool,
    positions: list[int],
) -> None:
    body = b"".join(parts)
    lines = [f"{name}: {value}" for name, value in fields.items()]
    lines.append("Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}")
    wire = b"HTTP/1.1 100 Continue\r\nX-No: no\r\n\r\n" if interim else b""
    wire += ("\r\n".join([f"HTTP/1.1 {status} Because", *lines]) + "\r\n\r\n").encode()
    if chunked:
        wire += b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"
    else:
        wire += body
    with served(responding(cut(wire, positions), [PLAIN])) as client:
        response = client.request("GET", "/")
        assert (response.outcome, response.status, response.body) == (OK, status, body)
        expected: dict[str, list[str]] = {}
        for name, value in fields.items():
            expected.setdefault(name.lower(), []).append(value)
        for name, values in expected.items():
            assert response.headers[name] == ", ".join(values)
        assert "x-no" not in response.headers
        assert client.request("GET", "/").body == b"hello"
        assert client.connections == 1


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=200))
def test_garbage_is_a_failure_with_a_name(data: bytes) -> None:
    with served(responding([data])) as client:
        assert client.request("GET", "/").outcome in {MALFORMED, CLOSED}


def test_a_second_response_that_nobody_asked_for_is_malformed() -> None:
    with served(responding([PLAIN + PLAIN])) as client:
        assert client.request("GET", "/").outcome == MALFORMED


def test_an_oversize_response_is_a_failure_and_the_next_request_is_well() -> None:
    def handle(connection: gsocket.socket) -> None:
        path = receive_head(connection).split()[1]
        size = 100_000 if path == b"/large" else 10
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        connection.recv(1)

    with served(handle, limit=50_000) as client:
        assert client.request("GET", "/large").outcome == OVERSIZE
        assert client.request("GET", "/small").body == b"x" * 10
        assert client.connections == 2


def test_one_connection_serves_many_requests() -> None:
    with served(responding(*[[PLAIN]] * 50)) as client:
        for _ in range(50):
            response = client.request("GET", "/")
            assert response.header(b"X-Pool") == b"fast"
            assert response.header(b"X-Missing") == b""
        assert client.connections == 1


def test_a_connection_that_the_server_will_close_is_not_used_again() -> None:
    polite = PLAIN.replace(b"X-Pool: fast", b"Connection: close")
    with served(responding([polite])) as client:
        assert [client.request("GET", "/").outcome for _ in range(3)] == [OK] * 3
        assert client.connections == 3


def test_a_reused_connection_closed_before_a_byte_is_stale_and_not_tried_again() -> None:
    with served(responding([PLAIN])) as client:
        assert client.request("GET", "/").outcome == OK
        assert client.request("GET", "/").outcome == STALE
        assert client.connections == 1
        assert client.request("GET", "/").outcome == OK
        assert client.connections == 2


def test_a_connection_closed_while_idle_is_stale() -> None:
    with served(responding([PLAIN])) as client:
        assert client.request("GET", "/").outcome == OK
        gevent.sleep(0.05)  # the loop sees the end of the connection, with nobody waiting
        assert client.request("GET", "/").outcome == STALE


def test_a_reused_connection_cut_within_a_response_is_closed_not_stale() -> None:
    with served(responding([PLAIN], [PLAIN[:10]])) as client:
        assert client.request("GET", "/").outcome == OK
        assert client.request("GET", "/").outcome == CLOSED


def test_a_reset_is_named() -> None:
    def handle(connection: gsocket.socket) -> None:
        receive_head(connection)
        connection.sendall(PLAIN[:20])
        gevent.sleep(0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with served(handle) as client:
        assert client.request("GET", "/").outcome == RESET


def test_a_port_where_nobody_listens_refuses() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        client = Client(Address(url), Deadlines(5))
        assert [client.request("GET", "/").outcome for _ in range(2)] == [REFUSED] * 2


def test_the_deadline_holds_for_the_whole_request_however_it_drips() -> None:
    def drip(connection: gsocket.socket) -> None:
        receive_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            connection.sendall(b"x")
            gevent.sleep(0.005)

    with served(drip, timeout=0.2) as client:
        response = client.request("GET", "/")
        assert (response.outcome, response.status) == (TIMEOUT, 0)
        assert client.request("GET", "/").outcome == TIMEOUT
        assert client.connections == 2


def test_each_of_many_requests_has_its_own_deadline() -> None:
    def silent(connection: gsocket.socket) -> None:
        receive_head(connection)
        connection.recv(1)

    def ask(client: Client, wait: float) -> str:
        gevent.sleep(wait)
        return client.request("GET", "/").outcome

    with served(silent, timeout=0.1) as first:
        clients = [Client(first.address, first.deadlines) for _ in range(20)]
        greenlets = [gevent.spawn(ask, client, i * 0.01) for i, client in enumerate(clients)]
        with gevent.Timeout(10):
            assert [greenlet.get() for greenlet in greenlets] == [TIMEOUT] * 20


def test_a_response_that_comes_before_all_was_sent_is_read() -> None:
    def refuse(connection: gsocket.socket) -> None:
        receive_head(connection)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        gevent.sleep(0.2)

    with served(refuse) as client:
        response = client.request("PUT", "/", b"x" * 30_000_000)
        assert (response.outcome, response.status, response.body) == (OK, 413, b"no")
        assert client.request("GET", "/").status == 413
        assert client.connections == 2


def test_a_large_body_arrives_whole() -> None:
    def count(connection: gsocket.socket) -> None:
        head, _, begun = receive_head(connection).partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        left = length - len(begun)
        while left:
            left -= len(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n%08d" % length)

    with served(count) as client:
        assert client.request("PUT", "/", b"x" * 20_000_000).body == b"20000000"


def test_a_request_that_is_given_up_leaves_a_client_that_works() -> None:
    slow = True

    def handle(connection: gsocket.socket) -> None:
        receive_head(connection)
        if slow:
            connection.recv(1)
        connection.sendall(PLAIN)

    with served(handle) as client:
        greenlet = gevent.spawn(client.request, "GET", "/")
        gevent.sleep(0.02)
        greenlet.kill()
        slow = False
        assert client.request("GET", "/").body == b"hello"


@pytest.mark.parametrize("url", ["127.0.0.1:1", "https://127.0.0.1", "http://", "http://h/path"])
def test_what_is_no_address_is_said(url: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        Address(url)
