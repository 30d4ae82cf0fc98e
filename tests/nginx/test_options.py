"""Each option of split.toml, as a real nginx obeys it."""

from __future__ import annotations

import json
import socket
import string
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from nginx.apply import Nginx
from nginx.render import ACCESS_LOG, PAGES
from nginx.split import Balance, Pool, Split
from tests.nginx.asking import Gate, ask, gate, served_by
from tests.stacks import eventually, free_ports

Answer = tuple[int, dict[str, str], bytes]

KEYS = string.ascii_lowercase
"""So many that no two processes are at ports where the hash gives all of them to one."""


@pytest.fixture
def held() -> Iterator[Gate]:
    with gate() as server:
        yield server


def before(nginx: Nginx, servers: tuple[int, int], **told: Any) -> None:
    """Let nginx serve from both processes, as pools `fast` and `slow`."""
    fast, slow = servers
    nginx.apply(Split({"fast": Pool((fast,)), "slow": Pool((slow,))}, **told))


@pytest.fixture
def other() -> Iterator[Gate]:
    with gate() as server:
        yield server


@contextmanager
def one_is_held(nginx: Nginx, held: Gate, name: str = "first") -> Iterator[Future[Answer]]:
    """A request that a process has, and does not answer."""
    with ThreadPoolExecutor() as pool:
        future = pool.submit(ask, nginx, "/hold", X_Request_Id=name)
        try:
            eventually(lambda: "/hold" in held.paths())
            yield future
        finally:
            held.open.set()
        assert future.result()[0] == 200


# -- routes -----------------------------------------------------------------------------------


def test_methods_go_to_pools(nginx: Nginx, servers: tuple[int, int]) -> None:
    before(nginx, servers, methods={"OPTIONS": "slow", "GET": "fast"})
    assert ask(nginx, "/ping", "OPTIONS")[1]["x-pool"] == "slow"
    assert ask(nginx, "/slow/ping")[1]["x-pool"] == "fast"  # a method decides before a prefix
    assert ask(nginx, "/slow/ping", "POST")[1]["x-pool"] == "slow"
    assert ask(nginx, "/ping", "POST")[1]["x-pool"] == "fast"


def test_headers_go_to_pools(nginx: Nginx, servers: tuple[int, int]) -> None:
    headers = {"X-Priority: low": "slow", "X-Priority: test": "fast", "X-Batch: *": "slow"}
    before(nginx, servers, headers=headers, methods={"POST": "fast"})
    assert served_by(nginx) == servers[0]
    assert served_by(nginx, X_Priority="low") == servers[1]
    assert served_by(nginx, X_Priority="high") == servers[0]
    assert served_by(nginx, X_Batch="7") == servers[1]
    assert served_by(nginx, X_Priority="test", X_Batch="7") == servers[0]  # named first in the file
    assert ask(nginx, "/ping", "POST", X_Priority="low")[1]["x-pool"] == "slow"


def test_a_longer_prefix_wins(nginx: Nginx, servers: tuple[int, int]) -> None:
    before(nginx, servers, routes={"/slow/": "slow", "/slow/memory/": "fast"})
    assert ask(nginx, "/slow/redis")[1]["x-pool"] == "slow"
    assert ask(nginx, "/slow/memory/x")[1]["x-pool"] == "fast"


def test_any_number_of_pools(nginx: Nginx, servers: tuple[int, int], held: Gate) -> None:
    pools = {"fast": (servers[0],), "slow": (servers[1],), "heavy": (held.port,)}
    routes = {"/slow/": "slow", "/heavy/": "heavy"}
    nginx.apply(Split({name: Pool(ports) for name, ports in pools.items()}, routes))
    assert ask(nginx, "/heavy/x")[1]["x-pool"] == "heavy"
    assert held.paths() == ["/heavy/x"]
    nginx.apply(Split({"fast": Pool((servers[0],))}, {}))
    assert served_by(nginx, "/ping") == servers[0]


# -- balance ----------------------------------------------------------------------------------


def test_a_key_has_its_process(nginx: Nginx, servers: tuple[int, int]) -> None:
    pool = Pool(servers, Balance.HASH, hash="header:X-User")
    nginx.apply(Split({"fast": pool}, {}))
    owners = {user: {served_by(nginx, X_User=user) for _ in range(3)} for user in KEYS}
    assert all(len(ports) == 1 for ports in owners.values())
    assert set.union(*owners.values()) == set(servers)


@pytest.mark.parametrize("name", ["s", "session-id", "User-Id_2"])
@pytest.mark.parametrize("kind", ["cookie", "argument", "header"])
def test_a_name_may_have_a_dash(
    nginx: Nginx, servers: tuple[int, int], kind: str, name: str
) -> None:
    pool = Pool(servers, Balance.HASH, hash=f"{kind}:{name}")
    nginx.apply(Split({"fast": pool}, {}))
    owners = {value: {asked_with(nginx, kind, name, value) for _ in range(3)} for value in KEYS}
    assert all(len(ports) == 1 for ports in owners.values())
    assert set.union(*owners.values()) == set(servers)


def asked_with(nginx: Nginx, kind: str, name: str, value: str) -> int:
    """The port of the process that answers a request with such a key, and others beside it."""
    others = f"x-{name}={uuid4()}", f"{name}-x={uuid4()}"
    if kind == "argument":
        return served_by(nginx, f"/ping?{others[0]}&{name}={value}&{others[1]}")
    if kind == "cookie":
        return served_by(nginx, Cookie=f"{others[0]}; {name}={value}; {others[1]}")
    return served_by(nginx, **{name.replace("_", "-"): value})


@pytest.mark.parametrize("key", ["uri", "path", "client", "request_id", "argument:id", "cookie:s"])
def test_nginx_takes_every_key(nginx: Nginx, servers: tuple[int, int], key: str) -> None:
    nginx.apply(Split({"fast": Pool(servers, Balance.HASH, (2, 1), hash=key)}, {}))
    assert ask(nginx, "/ping?id=1")[0] == 200


def test_connections_to_processes_are_kept_or_not(nginx: Nginx, held: Gate) -> None:
    for keepalive, expected in ((8, 1), (0, 4)):
        held.seen.clear()
        nginx.apply(Split({"fast": Pool((held.port,), keepalive=keepalive)}, {}))
        assert [ask(nginx, "/")[0] for _ in range(4)] == [200] * 4
        assert len({port for _, _, port in held.seen}) == expected


# -- full pools -------------------------------------------------------------------------------


def test_a_full_pool_is_a_502_unless_a_rule_says_more(nginx: Nginx, held: Gate) -> None:
    nginx.apply(Split({"fast": Pool((held.port,), max_conns=1)}, {}))
    with one_is_held(nginx, held):
        assert ask(nginx, "/more")[0] == 502


def test_a_full_pool_sheds(nginx: Nginx, held: Gate) -> None:
    nginx.apply(Split({"fast": Pool((held.port,), max_conns=1, overflow="shed")}, {}))
    with one_is_held(nginx, held):
        status, headers, body = ask(nginx, "/more", "POST", b"x", X_Request_Id="mine")
        assert (status, headers["x-pool"], headers["retry-after"]) == (503, "fast", "1")
        assert (headers["content-type"], headers["x-request-id"]) == (
            "application/problem+json",
            "mine",
        )
        assert json.loads(body)["status"] == 503
    assert ask(nginx, "/after")[0] == 200
    assert held.paths() == ["/hold", "/after"]


@pytest.mark.parametrize(
    ("rule", "methods"), [("spill", {}), ("spill:slow", {}), ("spill", {"GET": "fast"})]
)
def test_a_full_pool_spills(
    nginx: Nginx, servers: tuple[int, int], held: Gate, rule: str, methods: dict[str, str]
) -> None:
    pools = {"fast": Pool((held.port,), max_conns=1, overflow=rule), "slow": Pool((servers[1],))}
    nginx.apply(Split(pools, {}, methods=methods))
    with one_is_held(nginx, held):
        status, headers, _ = ask(nginx, "/ping")
        assert (status, headers["x-pool"]) == (200, "slow")
        assert served_by(nginx, "/ping") == servers[1]
        record = b'{"topic":"t","when":"2026-01-01T00:00:00Z","duration":1.0,"tags":[]}'
        made = ask(
            nginx, "/memory/async/volatile/records", "POST", record, Content_Type="application/json"
        )
        assert made[0] == 201  # with its body


def logged(nginx: Nginx, request_id: str) -> dict[str, Any]:
    """The line of nginx's log on a request."""

    def found() -> dict[str, Any] | None:
        lines = (nginx.folder / ACCESS_LOG).read_text().splitlines()
        told = [json.loads(line) for line in lines if request_id in line]
        return told[0] if told else None

    eventually(found)
    return found() or {}


@pytest.mark.parametrize("methods", [{}, {"GET": "fast"}])
@pytest.mark.parametrize("rule", ["shed", "spill", "spill:fast"])
def test_a_spill_into_a_full_pool_sheds(
    nginx: Nginx, held: Gate, other: Gate, rule: str, methods: dict[str, str]
) -> None:
    pools = {
        "fast": Pool((held.port,), max_conns=1, overflow="spill"),
        "slow": Pool((other.port,), max_conns=1, overflow=rule),
    }
    nginx.apply(Split(pools, {}, methods=methods))
    with one_is_held(nginx, held), one_is_held(nginx, other, "second"):
        status, headers, body = ask(nginx, "/more", "POST", b"x", X_Request_Id="third")
        assert (status, headers["x-pool"], headers["retry-after"]) == (503, "slow", "1")
        assert (headers["content-type"], headers["x-request-id"]) == (
            "application/problem+json",
            "third",
        )
        assert json.loads(body)["status"] == 503
        assert logged(nginx, "third")["pool"] == "slow"
    assert (held.paths(), other.paths()) == (["/hold"], ["/hold"])
    assert (logged(nginx, "first")["pool"], logged(nginx, "second")["pool"]) == ("fast", "slow")


def test_a_spill_into_a_full_pool_that_says_no_more(nginx: Nginx, held: Gate, other: Gate) -> None:
    pools = {
        "fast": Pool((held.port,), max_conns=1, overflow="spill"),
        "slow": Pool((other.port,), max_conns=1),
    }
    nginx.apply(Split(pools, {}))
    with one_is_held(nginx, held), one_is_held(nginx, other, "second"):
        assert_no_answer(ask(nginx, "/more", X_Request_Id="third"))


def test_a_spill_goes_on_to_a_third_pool(
    nginx: Nginx, servers: tuple[int, int], held: Gate, other: Gate
) -> None:
    pools = {
        "fast": Pool((held.port,), max_conns=1, overflow="spill"),
        "slow": Pool((other.port,), max_conns=1, overflow="spill:heavy"),
        "heavy": Pool((servers[1],), max_conns=1, overflow="spill:fast"),
    }
    nginx.apply(Split(pools, {}))
    with one_is_held(nginx, held), one_is_held(nginx, other, "second"):
        status, headers, _ = ask(nginx, "/ping", X_Request_Id="third")
        assert (status, headers["x-pool"]) == (200, "heavy")
        assert logged(nginx, "third")["pool"] == "heavy"


@pytest.mark.parametrize("rule", ["none", "shed", "spill"])
def test_a_spill_into_a_dead_pool_is_no_full_pool(nginx: Nginx, held: Gate, rule: str) -> None:
    (nobody,) = free_ports(1)
    pools = {
        "fast": Pool((held.port,), max_conns=1, overflow="spill"),
        "slow": Pool((nobody,), max_conns=1, overflow=rule),
    }
    nginx.apply(Split(pools, {}))
    with one_is_held(nginx, held):
        assert_no_answer(ask(nginx, "/more", X_Request_Id="third"))
        assert logged(nginx, "third")["pool"] == "slow"


def assert_no_answer(answer: Answer) -> None:
    """It is a 502 of the pool `slow` on the request `third`."""
    status, headers, body = answer
    assert (status, headers["x-pool"], json.loads(body)["status"]) == (502, "slow", 502)
    assert headers["x-request-id"] == "third"
    assert "retry-after" not in headers


@pytest.mark.parametrize("rule", ["shed", "spill"])
def test_a_dead_process_is_no_full_pool(nginx: Nginx, servers: tuple[int, int], rule: str) -> None:
    (nobody,) = free_ports(1)
    pools = {"fast": Pool((nobody,), max_conns=1, overflow=rule), "slow": Pool((servers[1],))}
    nginx.apply(Split(pools, {}))
    status, headers, body = ask(nginx, "/ping")
    assert (status, headers["x-pool"], json.loads(body)["status"]) == (502, "fast", 502)
    assert "retry-after" not in headers


# -- what is silent unless asked for ----------------------------------------------------------


def test_only_idempotent_requests_are_tried_again(
    nginx: Nginx, servers: tuple[int, int], held: Gate
) -> None:
    other = servers[0]
    nginx.apply(Split({"fast": Pool((held.port, other), retries=1)}, {}))
    assert {ask(nginx, "/drop")[0] for _ in range(4)} == {404}  # the other has no such route
    assert held.paths() == ["/drop"] * 2
    posted = [ask(nginx, "/drop", method)[0] for method in ("POST", "PATCH") for _ in range(2)]
    assert posted.count(502) == 2


def test_a_pool_has_its_own_patience(nginx: Nginx, held: Gate, servers: tuple[int, int]) -> None:
    pools = {"fast": Pool((held.port,), read_timeout=0.05), "slow": Pool((servers[1],))}
    nginx.apply(Split(pools))
    status, headers, body = ask(nginx, "/hold")
    assert (status, headers["x-pool"], json.loads(body)["status"]) == (504, "fast", 504)


# -- maintenance ------------------------------------------------------------------------------


@pytest.mark.parametrize("methods", [{}, {"OPTIONS": "slow"}])
def test_a_maintenance_page_while_its_file_is_there(
    nginx: Nginx, servers: tuple[int, int], methods: dict[str, str]
) -> None:
    pools = {"fast": Pool((servers[0],), maintenance="soon.html"), "slow": Pool((servers[1],))}
    nginx.apply(Split(pools, methods=methods))
    assert ask(nginx, "/ping")[0] == 200
    page = nginx.folder / PAGES / "soon.html"
    page.write_text("<p>Soon.")
    for method in ("GET", "POST", "DELETE"):
        status, headers, body = ask(nginx, "/ping", method)
        assert (status, body) == (503, b"<p>Soon.")
        assert headers["content-type"] == "text/html"
        assert (headers["x-pool"], headers["retry-after"]) == ("fast", "60")
    assert ask(nginx, "/slow/ping")[1]["x-pool"] == "slow"
    page.unlink()
    assert ask(nginx, "/ping")[0] == 200


@pytest.mark.parametrize("rule", ["none", "shed", "spill:heavy"])
def test_a_spill_into_a_pool_under_maintenance_gets_its_page(
    nginx: Nginx, servers: tuple[int, int], held: Gate, rule: str
) -> None:
    pools = {
        "fast": Pool((held.port,), max_conns=1, overflow="spill:slow"),
        "slow": Pool((servers[0],), max_conns=9, overflow=rule, maintenance="soon.html"),
        "heavy": Pool((servers[1],)),
    }
    nginx.apply(Split(pools, {}))
    (nginx.folder / PAGES / "soon.html").write_text("<p>Soon.")
    with one_is_held(nginx, held):
        status, headers, body = ask(nginx, "/ping", X_Request_Id="third")
        assert (status, body) == (503, b"<p>Soon.")
        assert (headers["x-pool"], headers["retry-after"]) == ("slow", "60")
        assert logged(nginx, "third")["pool"] == "slow"


# -- every answer says which pool -------------------------------------------------------------


def test_nginx_says_the_pool_in_its_own_answers(nginx: Nginx, split: Split) -> None:
    (nobody,) = free_ports(1)
    nginx.apply(split.with_ports("slow", (nobody,)))
    assert ask(nginx, "/slow/x")[1]["x-pool"] == "slow"
    assert ask(nginx, "/split")[1]["x-pool"] == "fast"
    assert ask(nginx, "/slow/x", "TRACE")[1]["x-pool"] == "slow"  # 405
    assert b"X-Pool: fast" in sent(nginx, b"GET /x HTTP/1.1\r\n\r\n")  # 400, no Host
    assert b"X-Pool: fast" in sent(nginx, b"nonsense\r\n\r\n")
    large = b"POST /slow/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n"
    assert b"X-Pool: slow" in sent(nginx, large)  # 413


def test_the_header_is_there_once(nginx: Nginx) -> None:
    told = sent(nginx, b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert told.count(b"X-Pool: ") == 1


def sent(nginx: Nginx, message: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", nginx.port), timeout=10) as link:
        link.sendall(message)
        link.settimeout(10)
        return link.recv(65536)
