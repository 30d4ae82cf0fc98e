"""The page in Locust's web app lets nobody change anything but its own, asked over real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.windtunnel.interface import Interface
from tests.windtunnel.page_client import BODY, PageClient
from tests.windtunnel.served import server

NO_TEST = "No test runs."
"""What is answered to whoever passes the guard, as no test runs here."""

FOREIGN = "http://evil.example"


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    with server() as running:
        yield running.url


@pytest.fixture(scope="module")
def client(target: str) -> Iterator[PageClient]:
    shown = Interface("--host", target)
    yield PageClient(shown)
    shown.close()


def test_the_page_itself_may_change_something(client: PageClient) -> None:
    answer = client.change()
    assert (answer.status, answer.message) == (409, NO_TEST)
    host = f"localhost:{client.port}"
    assert client.change(Host=host, Origin=f"http://{host}").message == NO_TEST
    assert client.change(Sec_Fetch_Site=None).message == NO_TEST
    assert client.change(Content_Type="application/json; charset=utf-8").message == NO_TEST


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": FOREIGN}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": None}, 403),
        ({"Origin": "http://127.0.0.1"}, 403),
        ({"Origin": "https://127.0.0.1:{port}"}, 403),
        ({"Origin": "http://127.0.0.1:{port}.evil.example"}, 403),
        ({"Origin": "http://localhost:{port}"}, 403),
        ({"Host": "evil.example:{port}", "Origin": "http://evil.example:{port}"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
        ({"Host": "127.0.0.1", "Origin": "http://127.0.0.1"}, 403),
        ({"Host": "127.0.0.1.evil.example:{port}"}, 403),
        ({"Host": ""}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "none"}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}, 403),
        ({"X_Windtunnel_Token": None}, 403),
        ({"X_Windtunnel_Token": ""}, 403),
        ({"X_Windtunnel_Token": "x" * 43}, 403),
        ({"X_Windtunnel_Token": "\xe9"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content_Type": "text/plain; application/json"}, 415),
        ({"Content_Type": None}, 415),
        ({"Content_Length": None}, 411),
    ],
)
def test_nobody_else_may(client: PageClient, headers: dict[str, Any], status: int) -> None:
    given = {name: v and v.replace("{port}", str(client.port)) for name, v in headers.items()}
    answer = client.change(**given)
    assert answer.status == status, answer
    assert answer.message != NO_TEST


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"paused": "yes"}',
        b'{"paused": 1}',
        b'{"paused": true, "more": 1}',
        b"[" * 16_000,
        b'{"paused": ' + b"[" * 16_000,
        b"\xff\xfe",
    ],
)
def test_a_body_that_says_something_else_is_refused(client: PageClient, body: bytes) -> None:
    assert client.change(body).status == 400


def test_a_body_has_a_limit(client: PageClient) -> None:
    assert client.change(b" " * 16_385).status == 413
    assert client.change(b'{"paused": true' + b" " * 16_000 + b"}").message == NO_TEST
    chunked = client.change(
        b"10\r\n" + BODY + b"\r\n0\r\n\r\n", Content_Length=None, Transfer_Encoding="chunked"
    )
    assert chunked.status == 411


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_no_other_verb_is_known(client: PageClient, method: str) -> None:
    for path in ("/windtunnel", "/windtunnel/split", "/windtunnel/load"):
        answer = client.request(method, path, Origin=client.own, X_Windtunnel_Token=client.token())
        assert answer.status == 405
        assert not [name for name in answer.headers if name.startswith("Access-Control")]


def test_no_address_is_changed_by_reading_it(client: PageClient) -> None:
    for path in ("/load", "/split/undo", "/split/differences"):
        assert client.request("GET", f"/windtunnel{path}").status == 405


@pytest.mark.parametrize("path", ["/split", "/data", "/effect/1", "", "/assets/main.js", "//split"])
def test_no_stranger_reads(client: PageClient, path: str) -> None:
    strangers: list[dict[str, Any]] = [
        {"Origin": FOREIGN},
        {"Origin": "null"},
        {"Host": f"evil.example:{client.port}"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "script"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"},
    ]
    for headers in strangers:
        answer = client.request("GET", f"/windtunnel{path}", **headers)
        assert answer.status in {308, 403, 404}, (headers, answer)
        assert client.token() not in answer.body
    answer = client.request("GET", f"/windtunnel{path}")
    assert not [name for name in answer.headers if name.startswith("Access-Control")]


def test_a_person_may_follow_a_link_to_the_page_but_no_frame_shows_it(client: PageClient) -> None:
    answer = client.request(
        *("GET", "/windtunnel"),
        Sec_Fetch_Site="cross-site",
        Sec_Fetch_Mode="navigate",
        Sec_Fetch_Dest="document",
    )
    assert answer.status == 200
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "name",
    ["../page.py", "..%2fpage.py", "%2e%2e/page.py", "windtunnel/main.js", "/etc/passwd", "x"],
)
def test_only_its_own_files_are_served(client: PageClient, name: str) -> None:
    answer = client.request("GET", f"/windtunnel/assets/{name}")
    assert answer.status in {308, 404}
    assert "import" not in answer.body


def test_what_is_bound_to_other_addresses_changes_nothing(target: str) -> None:
    shown = Interface("--host", target, "--web-host", "0.0.0.0")
    try:
        client = PageClient(shown)
        split = json.loads(client.request("GET", "/windtunnel/split").body)
        assert split["token"] is None
        assert "--web-host 127.0.0.1" in split["closed"]
        for token in ("", "None", "null"):
            answer = client.change(X_Windtunnel_Token=token)
            assert (answer.status, answer.message) == (403, split["closed"])
        assert client.request("GET", "/windtunnel/data", Origin=FOREIGN).status == 403
    finally:
        shown.close()


def test_a_login_is_honoured_below_a_base_path_too(target: str) -> None:
    more = ("--web-login", "--web-base-path", "/load")
    shown = Interface("--host", target, *more, file="tests/windtunnel/login.py", front="/load/")
    try:
        client = PageClient(shown, "/load")
        for path in ("", "/split", "/data", "/effect/1", "/assets/main.js"):
            answer = client.request("GET", f"/windtunnel{path}")
            assert (answer.status, answer.headers["Location"]) == (
                302,
                f"/load/login?next=%2Fload%2Fwindtunnel{path.replace('/', '%2F')}",
            )
        entered = PageClient(shown).request("GET", "/enter").headers["Set-Cookie"].partition(";")[0]
        split: dict[str, Any] = json.loads(
            client.request("GET", "/windtunnel/split", Cookie=entered).body
        )
        by_token = {"X_Windtunnel_Token": split["token"]}
        right = {
            "Origin": client.own,
            "Content_Type": "application/json",
            "Content_Length": str(len(BODY)),
        }
        answer = client.request(
            "POST", "/windtunnel/load", BODY, **right, **by_token, Cookie=entered
        )
        assert answer.message == NO_TEST
        assert client.request("POST", "/windtunnel/load", BODY, **right, **by_token).status == 302
    finally:
        shown.close()
