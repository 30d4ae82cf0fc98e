"""A connection's life: how it begins, what comes while nobody waits, when it is used again."""

from __future__ import annotations

import socket
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import pytest
from gevent import socket as gsocket
from gevent.event import Event
from gevent.server import StreamServer
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.windtunnel.scripted import (
    CHUNKED,
    INTERIM,
    PLAIN,
    cut,
    receive_head,
    responding,
    send_in_pieces,
    served,
)
from windtunnel.client.address import Address
from windtunnel.client.client import IDEMPOTENT, Client
from windtunnel.client.deadlines import Deadlines
from windtunnel.client.response import CLOSED, MALFORMED, OK, REFUSED, STALE, TIMEOUT, Response

WAYS_TO_END = ["shutdown", "reset"]


def end(connection: gsocket.socket, way: str) -> None:
    if way == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Once:
    """Answers one request of each connection, and ends it when the next one has come."""

    def __init__(self, way: str = "shutdown", wire: bytes = PLAIN) -> None:
        self.requests: list[str] = []
        self._way = way
        self._wire = wire

    def __call__(self, connection: gsocket.socket) -> None:
        self.requests.append(self._method(connection))
        connection.sendall(self._wire)
        self.requests.append(self._method(connection))
        end(connection, self._way)

    @staticmethod
    def _method(connection: gsocket.socket) -> str:
        return receive_head(connection).split()[0].decode()


def outcomes(client: Client, method: str, count: int) -> list[str]:
    return [client.request(method, "/").outcome for _ in range(count)]


@pytest.mark.parametrize("way", WAYS_TO_END)
def test_nothing_is_sent_twice_by_default(way: str) -> None:
    once = Once(way)
    with served(once) as client:
        assert outcomes(client, "GET", 4) == [OK, STALE, OK, STALE]
        assert (client.connections, client.retries) == (2, 0)
    assert once.requests == ["GET"] * 4


@pytest.mark.parametrize("way", WAYS_TO_END)
@pytest.mark.parametrize("method", sorted(IDEMPOTENT))
def test_a_stale_idempotent_request_is_sent_once_more_on_request(method: str, way: str) -> None:
    once = Once(way)
    with served(once, retry_stale=True) as client:
        responses = [client.request(method, "/") for _ in range(3)]
        assert [response.outcome for response in responses] == [OK] * 3
        assert [response.retried for response in responses] == [False, True, True]
        assert (client.connections, client.retries) == (3, 2)
    assert once.requests == [method] * 5


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_is_not_idempotent_is_never_sent_again(method: str) -> None:
    once = Once()
    with served(once, retry_stale=True) as client:
        assert outcomes(client, method, 2) == [OK, STALE]
        assert (client.connections, client.retries) == (1, 0)


def test_a_first_request_that_is_closed_upon_is_not_sent_again() -> None:
    def hang_up(connection: gsocket.socket) -> None:
        receive_head(connection)

    with served(hang_up, retry_stale=True) as client:
        assert outcomes(client, "GET", 3) == [CLOSED] * 3
        assert (client.connections, client.retries) == (3, 0)


def test_the_second_try_is_the_last_and_has_the_rest_of_the_time() -> None:
    heads: list[bytes] = []

    def silent_at_last(connection: gsocket.socket) -> None:
        heads.append(receive_head(connection))
        if len(heads) == 1:
            connection.sendall(PLAIN)
            heads.append(receive_head(connection))
        else:
            connection.recv(1)

    with served(silent_at_last, timeout=0.2, retry_stale=True) as client:
        assert client.request("GET", "/").outcome == OK
        response = client.request("GET", "/")
        assert (response.outcome, response.retried, client.retries) == (TIMEOUT, True, 1)
        assert response.service_us >= 200_000
    assert len(heads) == 3


def test_the_time_of_a_second_try_counts_from_the_first() -> None:
    def late_end(connection: gsocket.socket) -> None:
        receive_head(connection)
        connection.sendall(PLAIN)
        receive_head(connection)
        gevent.sleep(0.05)

    with served(late_end, retry_stale=True) as client:
        client.request("GET", "/")
        response = client.request("GET", "/")
        assert response.retried
        assert response.service_us >= 50_000


@settings(max_examples=40, deadline=None)
@given(position=st.integers(1, len(PLAIN) - 1))
def test_a_response_that_has_begun_is_not_stale_wherever_it_ends(position: int) -> None:
    with served(responding([PLAIN], [PLAIN[:position]]), retry_stale=True) as client:
        assert outcomes(client, "GET", 2) == [OK, CLOSED]
        assert (client.connections, client.retries) == (1, 0)


def unsolicited(data: bytes) -> list[Response]:
    """Send `data` after a complete response, while the client is idle."""
    responded, sent = Event(), Event()

    def handle(connection: gsocket.socket) -> None:
        receive_head(connection)
        connection.sendall(PLAIN)
        responded.wait()
        connection.sendall(data)
        sent.set()
        connection.recv(1)

    with served(handle) as client:
        first = client.request("GET", "/")
        responded.set()
        sent.wait()
        gevent.idle()  # until all that came was looked at, by the client too
        responded.clear()
        responses = [first, client.request("GET", "/"), client.request("GET", "/")]
        responded.set()
        return responses


def test_a_response_to_nobody_is_never_taken_for_the_next_ones() -> None:
    assert [response.outcome for response in unsolicited(PLAIN)] == [OK, MALFORMED, OK]


def test_a_server_that_tells_an_idle_client_to_leave_makes_it_stale() -> None:
    bye = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    assert [response.outcome for response in unsolicited(bye)] == [OK, STALE, OK]


@settings(max_examples=60, deadline=None)
@given(
    orders=st.lists(
        st.tuples(st.sampled_from([PLAIN, CHUNKED, INTERIM]), st.lists(st.integers(0, 200))),
        min_size=2,
        max_size=5,
    )
)
def test_interleaved_responses_in_pieces_never_mix(orders: list[tuple[bytes, list[int]]]) -> None:
    """Many clients share few readers, for complete and broken responses in turn."""

    def handle(connection: gsocket.socket) -> None:
        number = int(receive_head(connection).split()[1][1:])
        wire, positions = orders[number]
        send_in_pieces(connection, cut(wire.replace(b"lo", b"l%d" % number), positions))
        receive_head(connection)
        send_in_pieces(connection, [wire[: len(wire) - 1]])

    def ask(client: Client, number: int) -> None:
        response = client.request("GET", f"/{number}")
        assert (response.outcome, response.body) == (OK, b"hell%d" % number)
        assert client.request("GET", f"/{number}").outcome == CLOSED

    with served(handle) as first:
        clients = [Client(first.address, first.deadlines) for _ in orders]
        greenlets = [gevent.spawn(ask, client, i) for i, client in enumerate(clients)]
        gevent.joinall(greenlets, timeout=20, raise_error=True)
        assert all(greenlet.successful() for greenlet in greenlets)


@contextmanager
def listening(backlog: int = 16) -> Iterator[tuple[Path, gsocket.socket]]:
    with tempfile.TemporaryDirectory(prefix="wt-") as folder:
        path = Path(folder) / "a socket.sock"
        with gsocket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(backlog)
            yield path, listener


@pytest.mark.parametrize("quoted", [False, True], ids=["unix:", "http+unix://"])
def test_a_unix_socket_is_a_target(quoted: bool) -> None:
    heads: list[bytes] = []

    def handle(connection: gsocket.socket, _: object) -> None:
        for _ in range(2):
            heads.append(receive_head(connection))
            connection.sendall(PLAIN)

    with listening() as (path, listener):
        server = StreamServer(listener, handle)
        server.start()
        plain = f"unix:{path}"
        url = f"http+unix://{str(path).replace('/', '%2F').replace(' ', '%20')}"
        client = Client(Address(url if quoted else plain), Deadlines(5))
        assert outcomes(client, "GET", 2) == [OK, OK]
        client.close()
        server.stop()
    assert all(b"\r\nHost: localhost\r\n" in head for head in heads)


def test_a_unix_socket_without_a_server_refuses() -> None:
    with listening() as (path, _):
        pass
    assert Client(Address(f"unix:{path}"), Deadlines(5)).request("GET", "/").outcome == REFUSED


def test_a_unix_socket_with_a_full_queue_is_waited_for_until_the_deadline() -> None:
    def accept_late() -> None:
        gevent.sleep(0.02)
        with listener.accept()[0], listener.accept()[0] as connection:
            receive_head(connection)
            connection.sendall(PLAIN)

    with listening(backlog=0) as (path, listener), gsocket.socket(socket.AF_UNIX) as first:
        first.connect(str(path))
        client = Client(Address(f"unix:{path}"), Deadlines(0.2))
        assert client.request("GET", "/").outcome == TIMEOUT
        client.deadlines = Deadlines(10)
        accepting = gevent.spawn(accept_late)
        assert client.request("GET", "/").outcome == OK
        client.close()
        accepting.get(timeout=5)


@pytest.mark.parametrize(
    "url", ["unix:relative.sock", "unix:", "unix:/" + "x" * 200, "http+unix://", "http://a@h"]
)
def test_what_is_no_address_of_a_socket_is_said(url: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        Address(url)
