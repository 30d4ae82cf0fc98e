"""Pages of other sites cannot make a browser send requests here; programs can."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from server.guard import RequestGuard
from tests.server.conftest import MEMORY, Server, serving


@pytest.fixture(scope="module")
def named() -> Iterator[Server]:
    """A server that is reached by two names."""
    with serving("--allowed-hosts", "One.example, two") as running:
        yield running


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:1", "10.1.2.3:80", "localhost", "LOCALHOST:9", "[::1]", "[::1]:80",
     "localhost.", "one.example", "ONE.example:10001", "two"],
)  # fmt: skip
def test_addresses_and_names_of_ours_are_served(named: Server, host: str) -> None:
    for _ in range(2):
        assert named.call("GET", "/ping", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:10001", "127.0.0.1.evil.example", "localhost.evil", "one"],
)
def test_other_names_are_refused(named: Server, host: str) -> None:
    for path in ("/sleep?ms=10000", "/", f"{MEMORY}/records", "/nowhere"):
        answer = named.call("GET", path, headers={"Host": host})
        assert answer.status == 403
        assert answer.json["type"] == "urn:windtunnel:problem:forbidden"
        assert "--allowed-hosts" in answer.json["detail"]
        assert "X-Request-Id" in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_pages_of_other_sites_are_refused(server: Server, headers: dict[str, str]) -> None:
    assert server.call("GET", "/sleep?ms=10000", headers=headers).status == 403
    json = {"Content-Type": "application/json"}
    assert server.call("POST", f"{MEMORY}/records", b"{}", {**headers, **json}).status == 403
    assert server.call("GET", "/ping").status == 200


def test_our_own_page_is_served(server: Server) -> None:
    origin = {"Origin": f"http://127.0.0.1:{server.port}", "Sec-Fetch-Site": "same-origin"}
    assert server.call("GET", "/ping", headers=origin).status == 200
    assert server.call("GET", "/ping", headers={"Sec-Fetch-Site": "none"}).status == 200


def test_the_environment_names_hosts_too() -> None:
    with serving(WINDTUNNEL_ALLOWED_HOSTS="three") as server:
        assert server.call("GET", "/ping", headers={"Host": "three"}).status == 200
        assert server.call("GET", "/ping", headers={"Host": "four"}).status == 403


def test_what_is_remembered_is_bounded() -> None:
    guard = RequestGuard(())
    for number in range(3000):
        assert guard.refusal(f"127.0.0.1:{number}", "", "") is None
    assert len(guard.known) == 1000
