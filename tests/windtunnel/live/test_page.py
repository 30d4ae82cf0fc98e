"""The page in Locust's web app lets nobody change anything but its own, asked over real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.windtunnel.asker import BODY, Asker
from tests.windtunnel.interface import Interface
from tests.windtunnel.served import server

NO_TEST = "No test runs."
"""What is answered to whoever passes the guard, as no test runs here."""

FOREIGN = "http://evil.example"


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    with server() as running:
        yield running.url


@pytest.fixture(scope="module")
def asker(target: str) -> Iterator[Asker]:
    shown = Interface("--host", target)
    yield Asker(shown)
    shown.close()


def test_the_page_itself_may_change_something(asker: Asker) -> None:
    told = asker.change()
    assert (told.status, told.message) == (409, NO_TEST)
    host = f"localhost:{asker.port}"
    assert asker.change(Host=host, Origin=f"http://{host}").message == NO_TEST
    assert asker.change(Sec_Fetch_Site=None).message == NO_TEST
    assert asker.change(Content_Type="application/json; charset=utf-8").message == NO_TEST


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
def test_nobody_else_may(asker: Asker, headers: dict[str, Any], status: int) -> None:
    given = {name: v and v.replace("{port}", str(asker.port)) for name, v in headers.items()}
    told = asker.change(**given)
    assert told.status == status, told
    assert told.message != NO_TEST


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
def test_a_body_that_says_something_else_is_refused(asker: Asker, body: bytes) -> None:
    assert asker.change(body).status == 400


def test_a_body_has_a_limit(asker: Asker) -> None:
    assert asker.change(b" " * 16_385).status == 413
    assert asker.change(b'{"paused": true' + b" " * 16_000 + b"}").message == NO_TEST
    chunked = asker.change(
        b"10\r\n" + BODY + b"\r\n0\r\n\r\n", Content_Length=None, Transfer_Encoding="chunked"
    )
    assert chunked.status == 411


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_no_other_verb_is_known(asker: Asker, method: str) -> None:
    for path in ("/windtunnel", "/windtunnel/split", "/windtunnel/load"):
        told = asker.ask(method, path, Origin=asker.own, X_Windtunnel_Token=asker.token())
        assert told.status == 405
        assert not [name for name in told.headers if name.startswith("Access-Control")]


def test_no_address_is_changed_by_reading_it(asker: Asker) -> None:
    for path in ("/load", "/split/undo", "/split/differences"):
        assert asker.ask("GET", f"/windtunnel{path}").status == 405


@pytest.mark.parametrize("path", ["/split", "/data", "/effect/1", "", "/assets/main.js", "//split"])
def test_no_stranger_reads(asker: Asker, path: str) -> None:
    strangers: list[dict[str, Any]] = [
        {"Origin": FOREIGN},
        {"Origin": "null"},
        {"Host": f"evil.example:{asker.port}"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "script"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"},
    ]
    for headers in strangers:
        told = asker.ask("GET", f"/windtunnel{path}", **headers)
        assert told.status in {308, 403, 404}, (headers, told)
        assert asker.token() not in told.body
    told = asker.ask("GET", f"/windtunnel{path}")
    assert not [name for name in told.headers if name.startswith("Access-Control")]


def test_a_person_may_follow_a_link_to_the_page_but_no_frame_shows_it(asker: Asker) -> None:
    told = asker.ask(
        *("GET", "/windtunnel"),
        Sec_Fetch_Site="cross-site",
        Sec_Fetch_Mode="navigate",
        Sec_Fetch_Dest="document",
    )
    assert told.status == 200
    assert told.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in told.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "name",
    ["../page.py", "..%2fpage.py", "%2e%2e/page.py", "windtunnel/main.js", "/etc/passwd", "x"],
)
def test_only_its_own_files_are_served(asker: Asker, name: str) -> None:
    told = asker.ask("GET", f"/windtunnel/assets/{name}")
    assert told.status in {308, 404}
    assert "import" not in told.body


def test_what_is_bound_to_other_addresses_changes_nothing(target: str) -> None:
    shown = Interface("--host", target, "--web-host", "0.0.0.0")
    try:
        asker = Asker(shown)
        split = json.loads(asker.ask("GET", "/windtunnel/split").body)
        assert split["token"] is None
        assert "--web-host 127.0.0.1" in split["closed"]
        for token in ("", "None", "null"):
            told = asker.change(X_Windtunnel_Token=token)
            assert (told.status, told.message) == (403, split["closed"])
        assert asker.ask("GET", "/windtunnel/data", Origin=FOREIGN).status == 403
    finally:
        shown.close()


def test_a_login_is_honoured_below_a_base_path_too(target: str) -> None:
    more = ("--web-login", "--web-base-path", "/load")
    shown = Interface("--host", target, *more, file="tests/windtunnel/login.py", front="/load/")
    try:
        asker = Asker(shown, "/load")
        for path in ("", "/split", "/data", "/effect/1", "/assets/main.js"):
            told = asker.ask("GET", f"/windtunnel{path}")
            assert (told.status, told.headers["Location"]) == (
                302,
                f"/load/login?next=%2Fload%2Fwindtunnel{path.replace('/', '%2F')}",
            )
        entered = Asker(shown).ask("GET", "/enter").headers["Set-Cookie"].partition(";")[0]
        split: dict[str, Any] = json.loads(
            asker.ask("GET", "/windtunnel/split", Cookie=entered).body
        )
        by_token = {"X_Windtunnel_Token": split["token"]}
        right = {
            "Origin": asker.own,
            "Content_Type": "application/json",
            "Content_Length": str(len(BODY)),
        }
        told = asker.ask("POST", "/windtunnel/load", BODY, **right, **by_token, Cookie=entered)
        assert told.message == NO_TEST
        assert asker.ask("POST", "/windtunnel/load", BODY, **right, **by_token).status == 302
    finally:
        shown.close()
