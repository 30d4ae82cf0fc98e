"""Cookies: off unless asked for, and then by the standard library's rules."""

from __future__ import annotations

from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy

from gevent import socket as gsocket
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.windtunnel.scripted import PLAIN, cut, receive_head, send_in_pieces, served

SETTING = PLAIN.replace(b"X-Pool: fast", b"X-A: b\r\nset-COOKIE: a=1\r\nSet-Cookie: b=2; Path=/in")


class Remembering:
    """Keeps the Cookie fields that it receives; the first response of a connection sets some."""

    def __init__(self, *pieces: bytes) -> None:
        self.received: list[bytes | None] = []
        self._pieces = pieces

    def __call__(self, connection: gsocket.socket) -> None:
        self._record(connection)
        send_in_pieces(connection, self._pieces)
        while True:
            self._record(connection)
            connection.sendall(PLAIN)

    def _record(self, connection: gsocket.socket) -> None:
        lines = receive_head(connection).split(b"\r\n")
        cookies = [line[8:] for line in lines if line.startswith(b"Cookie: ")]
        assert len(cookies) <= 1
        self.received.append(cookies[0] if cookies else None)


def test_without_a_jar_cookies_are_nobodys_business() -> None:
    server = Remembering(SETTING)
    with served(server) as client:
        for _ in range(3):
            client.request("GET", "/in/side")
    assert server.received == [None] * 3


def test_cookies_go_where_they_belong() -> None:
    server, jar = Remembering(SETTING), CookieJar()
    with served(server, jar=jar) as client:
        for path in ("/in/side", "/in/side", "/out"):
            assert client.request("GET", path).body == b"hello"
    first, inside, outside = server.received
    assert (first, outside) == (None, None)
    assert inside is not None
    assert sorted(inside.split(b"; ")) == [b"a=1", b"b=2"]
    assert {cookie.name for cookie in jar} == {"a", "b"}


def test_the_jar_keeps_its_own_policy_and_what_is_in_it() -> None:
    jar = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    server = Remembering(SETTING)
    with served(server, jar=jar) as client:
        client.request("GET", "/")
        client.request("GET", "/")
    assert server.received == [None, None]
    assert not list(jar)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, len(SETTING)), max_size=6))
def test_cookies_are_kept_from_a_response_in_pieces(positions: list[int]) -> None:
    server, jar = Remembering(*cut(SETTING, positions)), CookieJar()
    with served(server, jar=jar) as client:
        client.request("GET", "/in/")
        client.request("GET", "/in/")
    assert server.received[1] is not None
    assert b"b=2" in server.received[1]


def test_a_jar_shared_by_clients_is_one_jar() -> None:
    jar = CookieJar()
    with served(Remembering(SETTING), jar=jar) as client:
        client.request("GET", "/in/")
    cookies: list[Cookie] = list(jar)
    server = Remembering(PLAIN)
    with served(server, jar=jar) as other:
        other.request("GET", "/in/")
    assert cookies
    assert server.received[0] is not None
