"""Responses on real sockets, in whatever pieces, for tests of the client."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.cookiejar import CookieJar
from itertools import pairwise

import gevent
from gevent import socket as gsocket
from gevent.server import StreamServer

from windtunnel.client.address import Address
from windtunnel.client.client import Client
from windtunnel.client.deadlines import Deadlines

Handler = Callable[[gsocket.socket], None]

PLAIN = b"HTTP/1.1 200 OK\r\nX-Pool: fast\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
UNKNOWN = b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nhello"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + PLAIN


def receive_head(connection: gsocket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(4096)
        if not data:
            raise EOFError
        head += data
    return head


def send_in_pieces(connection: gsocket.socket, pieces: Sequence[bytes]) -> None:
    for piece in pieces:
        connection.sendall(piece)
        gevent.sleep(0)  # the loop goes round twice, so the client receives each piece alone
        gevent.sleep(0)


def responding(*responses: Sequence[bytes]) -> Handler:
    """Answer each request of a connection with the next response, in its pieces; then close."""

    def handle(connection: gsocket.socket) -> None:
        for pieces in responses:
            receive_head(connection)
            send_in_pieces(connection, pieces)

    return handle


@contextmanager
def served(
    handler: Handler,
    timeout: float = 10.0,
    limit: int = 1_000_000,
    *,
    retry_stale: bool = False,
    jar: CookieJar | None = None,
) -> Iterator[Client]:
    def handle(connection: gsocket.socket, _: object) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            handler(connection)
        except (EOFError, OSError):
            pass
        finally:
            connection.close()

    server = StreamServer(("127.0.0.1", 0), handle)
    server.start()
    client = Client(
        Address(f"http://127.0.0.1:{server.server_port}"),
        Deadlines(timeout),
        limit,
        retry_stale=retry_stale,
        jar=jar,
    )
    try:
        yield client
    finally:
        client.close()
        server.stop()


def cut(data: bytes, positions: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted({position % len(data) for position in positions} - {0}), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]
