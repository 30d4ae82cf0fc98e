"""What every route and every answer has: verbs, headers, explanations, limits."""

from __future__ import annotations

import re
import socket
from typing import Any

import pytest

from server.body_limits import POPULATION_LIMIT, RECORD_LIMIT
from server.routes import PLAIN
from tests.server.conftest import DRAFT, MEMORY, Server

TIMING = re.compile(r"handler;dur=[\d.]+, wait;dur=[\d.]+, driver;dur=[\d.]+")


@pytest.mark.parametrize(
    ("path", "body"),
    [("/ping", b"pong"), ("/healthz", b'{"status":"ok"}'), ("/readyz", b'{"status":"ok"}')],
)
def test_probes(server: Server, path: str, body: bytes) -> None:
    answer = server.call("GET", path)
    assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize("path", ["/ping", "/nowhere", f"{MEMORY}/records", f"{MEMORY}/records/x"])
def test_every_answer_says_who_when_and_how_long(server: Server, path: str) -> None:
    headers = server.call("GET", path).headers
    assert headers["X-Process"] == f"fast-{server.port}-{server.process.pid}"
    assert headers["X-Pool"] == "fast"
    assert TIMING.fullmatch(headers["Server-Timing"])
    assert headers["X-Request-Id"]


def test_request_ids_are_unique(server: Server) -> None:
    ids = [server.call("GET", "/ping").headers["X-Request-Id"] for _ in range(20)]
    assert len(set(ids)) == 20


@pytest.mark.parametrize("id", ["a", "A-z_0.9:/+=@~", "x" * 64])
def test_a_sane_request_id_is_kept(server: Server, id: str) -> None:
    for path in ("/ping", "/nowhere"):
        assert server.call("GET", path, headers={"X-Request-Id": id}).headers["X-Request-Id"] == id


@pytest.mark.parametrize("id", ["", "x" * 65, "two words", "<script>", "\xe9"])
def test_an_odd_request_id_is_replaced(server: Server, id: str) -> None:
    echo = server.call("GET", "/ping", headers={"X-Request-Id": id}).headers["X-Request-Id"]
    assert echo not in {id, ""}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/ping", "GET, HEAD"),
        ("OPTIONS", "/stores", "GET, HEAD"),
        ("DELETE", f"{MEMORY}/records", "GET, HEAD, POST, PUT"),
        ("POST", f"{MEMORY}/records/{'0' * 24}", "GET, HEAD, DELETE, PATCH, PUT"),
        ("OPTIONS", f"{MEMORY}/records/{'0' * 24}", "GET, HEAD, DELETE, PATCH, PUT"),
        ("PATCH", f"/slow{MEMORY}/summary", "GET, HEAD, PUT"),
        ("BREW", "/ping", "GET, HEAD"),
    ],
)
def test_wrong_verbs_are_told_the_right_ones(
    server: Server, method: str, path: str, allowed: str
) -> None:
    answer = server.call(method, path, headers={"Content-Length": "0"})
    assert (answer.status, answer.headers["Allow"]) == (405, allowed)
    assert answer.json["type"] == "urn:windtunnel:problem:method-not-allowed"


@pytest.mark.parametrize("path", [*PLAIN, f"{MEMORY}/records", f"{MEMORY}/summary", "/nowhere"])
def test_a_head_is_a_get_without_its_body(server: Server, path: str) -> None:
    path += "?ms=1" if path.endswith("sleep") else ""
    get, head = server.call("GET", path), server.call("HEAD", path)
    assert (head.status, head.body) == (get.status, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    if path in {"/ping", "/healthz", "/openapi.json", "/nowhere"}:
        assert head.headers["Content-Length"] == get.headers["Content-Length"] == str(len(get.body))


def test_a_head_of_a_record(server: Server) -> None:
    record = server.create()
    path = f"{MEMORY}/records/{record['id']}"
    answer = server.call("HEAD", path)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(server.call("GET", path).body))
    assert server.call("HEAD", f"{MEMORY}/records/{'f' * 24}").status == 404


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/memroy/async/volatile/records", "did you mean memory/async/volatile"),
        ("/memory/async/safe/records", "memory/async/volatile"),
        ("/memory", "there is no store 'memory'"),
        ("/memory/async/volatile", "has /records"),
        ("/memory/async/volatile/records/1/2", "has /records"),
        ("/slow/memory/async/volatile/other", "has /records"),
        ("/favicon.ico", "there is nothing at '/favicon.ico'"),
        ("/slow/ping", "there is nothing"),
        ("//", "there is nothing"),
        ("/" + "x" * 5000, "there is nothing"),
    ],
)
def test_an_unknown_path_says_what_there_is(server: Server, path: str, hint: str) -> None:
    answer = server.call("GET", path)
    assert answer.status == 404
    assert hint in answer.json["detail"]
    assert len(answer.body) < 1000


def test_an_operation_that_the_engine_lacks_says_why(server: Server) -> None:
    for method, body in (("GET", None), ("PUT", {"size": 1})):
        answer = server.call(method, "/line/async/volatile/summary", body)
        assert answer.status == 501
        assert "a toy does not aggregate" in answer.json["detail"]


def test_a_bug_is_logged_and_not_told(server: Server) -> None:
    store = "/buggy/async/volatile"
    place = f"{store}/records/{server.create(store)['id']}"
    for mode in ("async", "threads", "blocking"):
        path = place.replace("async", mode)
        answer = server.call("GET", path, headers={"X-Request-Id": f"bug-{mode}"})
        assert answer.status == 500
        assert b"secret" not in answer.body
        assert answer.headers["X-Request-Id"] == f"bug-{mode}"
        assert answer.json["type"] == "urn:windtunnel:problem:internal-server-error"
        assert server.process.stderr
        logged = ""
        for line in server.process.stderr:
            logged += line
            if line.startswith("KeyError"):
                break
        assert f"bug-{mode} GET {path} failed" in logged


def large(size: int) -> bytes:
    return b'{"topic":"' + b"x" * (size - 12) + b'"}'


def test_the_largest_body_is_read_and_a_larger_one_refused(server: Server) -> None:
    answer = server.call("POST", f"{MEMORY}/records", large(RECORD_LIMIT))
    assert (answer.status, answer.json["field"]) == (422, "topic")
    answer = server.call("POST", f"{MEMORY}/records", large(RECORD_LIMIT + 1))
    assert answer.status == 413
    assert str(RECORD_LIMIT) in answer.json["detail"]
    assert answer.headers["X-Process"]


def test_a_population_may_be_larger(server: Server) -> None:
    record = {**DRAFT, "topic": "x" * 10_000}
    count = 2 * RECORD_LIMIT // 10_000
    answer = server.call("PUT", "/memory/threads/volatile/records", [record] * count)
    assert len(answer.json["ids"]) == count
    answer = server.call("PUT", f"{MEMORY}/records", large(POPULATION_LIMIT + 1))
    assert answer.status == 413


def chunks(body: bytes) -> Any:
    for start in range(0, len(body), 65_536):
        yield body[start : start + 65_536]


@pytest.mark.parametrize(("extra", "status"), [(0, 422), (1, 413)])
def test_chunked_bodies_have_the_same_limit(server: Server, extra: int, status: int) -> None:
    connection = server.connect()
    headers = {"Content-Type": "application/json"}
    body = chunks(large(RECORD_LIMIT + extra))
    connection.request("POST", f"{MEMORY}/records", body, headers, encode_chunked=True)
    assert connection.getresponse().status == status
    connection.close()


@pytest.mark.parametrize(
    "headers",
    [b"Content-Length: 99999999999999", b"Expect: 100-continue\r\nContent-Length: 9999999"],
)
def test_what_is_announced_far_too_large_is_refused_before_it_comes(
    server: Server, headers: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        start = f"POST {MEMORY}/records HTTP/1.1\r\nHost: localhost\r\n".encode()
        connection.sendall(start + headers + b"\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"too-large" in answer
    assert answer.count(b"HTTP/1.1 ") == 1
