"""gunicorn's answers are those of the Tornado server: the same requests, compared one by one."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from server.body_limits import RECORD_LIMIT
from tests.databases import running
from tests.server.conftest import DRAFT, ENGINES, Server, ServerResponse, serving
from tests.server.gunicorns import gunicorn
from tests.server.test_bad_input import ALL, MALFORMED
from tests.server.test_routes import TIMING, chunks, large
from tests.server.toy import Toy
from tests.stacks import eventually

WORKERS = {"sync": (), "gthread": ("--threads", "4"), "tornado": ()}
STORES = ["memory/blocking/volatile", "sqlite/blocking/safe", "redis/blocking/volatile"]
NOBODY = "0" * 24
ID = re.compile(r"[0-9a-f]{24}")

ODD = [
    ("GET", "/nowhere"), ("GET", "/slow"), ("POST", "/nowhere"), ("BREW", "/ping"),
    ("HEAD", "/nowhere"), ("HEAD", "/memory/blocking/volatile/records"), ("DELETE", "/ping"),
    ("HEAD", "/ping"), ("OPTIONS", "/stores"), ("POST", "/ping"), ("GET", "/sleep"),
    ("GET", "/sleep?ms=0"), ("GET", "/slow/sleep?ms=2&ms=3"), ("GET", "/sleep?ms=1&other=1"),
    ("GET", "/sleep?ms=1&mode=dozing"), ("GET", "/slow/sleep?ms=3"),
    ("GET", "/sleep?ms=1&mode=blocking"), ("GET", "/ping"), ("GET", "/healthz"),
    ("GET", "/memory/blocking/safe/records"), ("GET", "/memory/blocking/volatile"),
    ("GET", "/%6demory/blocking/volatile/records"), ("GET", "//"), ("GET", "/" + "x" * 3000),
    ("GET", "/buggy/blocking/volatile/records?limit=a"), ("GET", "/line/blocking/volatile/summary"),
    ("PATCH", "/slow/memory/blocking/volatile/summary"),
    ("DELETE", "/sqlite/blocking/safe/records"),
]  # fmt: skip

QUERIES = [
    "", "?limit=3", "?min_duration=2.5&limit=2", "?min_duration=-1e308&limit=1000", "?limit=0",
    "?limit=1001", "?limit=%C3%BC", "?min_duration=nan", "?min_duration=", "?limit=1&limit=2",
    "?colour=red", "?min_duration=1e3", "?limit=٣",
]  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """The same application twice: under Tornado, and under gunicorn."""

    tornado: Server
    gunicorn: Server
    worker: str

    def compare(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[ServerResponse, ServerResponse]:
        """Send a request to both and check that the answers are alike; return them."""
        renamed = {name.replace("_", "-"): value for name, value in headers.items()}
        expected, answer = (
            server.call(method, path, body, renamed) for server in (self.tornado, self.gunicorn)
        )
        assert comparable(answer) == comparable(expected)
        assert TIMING.fullmatch(answer.headers["Server-Timing"])
        return expected, answer


def comparable(answer: ServerResponse) -> tuple[Any, ...]:
    """Return the parts of an answer that are the same on every server."""
    headers = {name: answer.headers.get(name) for name in ("Content-Type", "Allow", "Retry-After")}
    if answer.status == 204:
        del headers["Content-Type"]
    place = ID.sub("ID", answer.headers.get("Location", ""))
    return answer.status, ID.sub("ID", answer.body.decode()), headers, place


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with running(["redis"]) as databases:
        addresses = {f"WINDTUNNEL_{name}_URL": url for name, url in databases.addresses.items()}
        yield {**addresses, "WINDTUNNEL_ENGINES": str(ENGINES)}


@pytest.fixture(scope="module")
def tornado(environ: dict[str, str]) -> Iterator[Server]:
    with serving("--pool", "slow", **environ) as server:
        yield server


@pytest.fixture(scope="module", params=WORKERS)
def pair(
    request: pytest.FixtureRequest,
    tornado: Server,
    environ: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pair]:
    folder = str(tmp_path_factory.mktemp("sqlite"))
    own = {**environ, "WINDTUNNEL_SQLITE_URL": folder}
    with gunicorn(request.param, *WORKERS[request.param], **own) as server:
        yield Pair(tornado, server, request.param)


@pytest.mark.parametrize(("method", "path"), ODD)
def test_routes_verbs_and_refusals(pair: Pair, method: str, path: str) -> None:
    pair.compare(method, path)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("lead", ["", "/slow"])
def test_a_record_s_life(pair: Pair, store: str, lead: str) -> None:
    path = f"{lead}/{store}/records"
    drafts = [{**DRAFT, "duration": n, "when": f"2026-01-01T00:00:0{n}Z"} for n in range(9)]
    for server in (pair.tornado, pair.gunicorn):
        assert server.call("PUT", path, []).status == 200
    created = pair.compare("POST", path, DRAFT)
    places = [answer.headers["Location"] for answer in created]
    steps = [
        ("GET", None), ("PUT", {**DRAFT, "topic": "other"}), ("PATCH", {"tags": ["c"]}),
        ("GET", None), ("PATCH", {"tags": 1}), ("DELETE", None), ("GET", None), ("DELETE", None),
        ("PUT", DRAFT), ("PATCH", {}),
    ]  # fmt: skip
    for method, body in steps:
        answers = [s.call(method, p, body) for s, p in zip(_both(pair), places, strict=True)]
        assert comparable(answers[1]) == comparable(answers[0])
    pair.compare("PUT", path, drafts)
    for query in QUERIES if "redis" not in store else [""]:
        pair.compare("GET", path + query.replace("٣", "%D9%A3"))


def _both(pair: Pair) -> tuple[Server, Server]:
    return pair.tornado, pair.gunicorn


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "localhost"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "none"},
        {"Origin": "http://evil.example"},
    ],
)
def test_pages_of_other_sites(pair: Pair, headers: dict[str, str]) -> None:
    _, answer = pair.compare("GET", "/ping", **headers)
    is_ours = set(headers.values()) & {"localhost", "none"}
    assert answer.status == (200 if is_ours else 403)


@pytest.mark.parametrize("store", STORES)
def test_summaries(pair: Pair, store: str) -> None:
    path = f"/slow/{store}/summary"
    for body in ({"size": 120}, {"size": -1}, {}, None):
        pair.compare("PUT", path, body)
    pair.compare("GET", path)
    pair.compare("GET", f"{path}?tag=1")


@pytest.mark.parametrize("pair", ["sync", "gthread"], indirect=True)
@pytest.mark.parametrize("body", [p.values[0] for p in ALL] + [p.values[0] for p in MALFORMED])
def test_bad_bodies(pair: Pair, body: Any) -> None:
    raw = body if isinstance(body, bytes) else body.encode("utf-8", "surrogateescape")
    pair.compare("POST", f"/{STORES[0]}/records", raw)
    pair.compare("PATCH", f"/{STORES[0]}/records/{NOBODY}", raw)


def test_what_a_body_must_be(pair: Pair) -> None:
    path = f"/{STORES[0]}/records"
    pair.compare("POST", path, b"{}", Content_Type="text/plain")
    pair.compare("PUT", f"{path}/{NOBODY}", b"{}", Content_Type="")
    pair.compare("POST", f"{path}/xyz", DRAFT)
    pair.compare("PATCH", f"{path}/{NOBODY}", b"{}", Content_Type="application/merge-patch+json")
    for extra in (0, 1):
        pair.compare("POST", path, large(RECORD_LIMIT + extra))
    pair.compare("POST", "/nowhere", large(RECORD_LIMIT + 1))


@pytest.mark.parametrize(("extra", "status"), [(0, 422), (1, 413)])
def test_chunked_bodies_have_the_same_limit(pair: Pair, extra: int, status: int) -> None:
    with contextlib.closing(pair.gunicorn.connect()) as connection:
        headers = {"Content-Type": "application/json"}
        body = chunks(large(RECORD_LIMIT + extra))
        path = f"/{STORES[0]}/records"
        connection.request("POST", path, body, headers, encode_chunked=True)
        assert connection.getresponse().status == status


def test_every_answer_says_who_gave_it(pair: Pair) -> None:
    for path in ("/ping", "/nowhere", f"/{STORES[0]}/records/{NOBODY}"):
        for answer in pair.compare("GET", path, X_Request_Id="mine"):
            assert answer.headers["X-Request-Id"] == "mine"
        assert answer.headers["X-Pool"] == "slow"
        pool, port, pid = answer.headers["X-Process"].split("-")
        assert (pool, int(port)) == ("slow", pair.gunicorn.port)
        assert int(pid) != pair.gunicorn.process.pid  # a worker's, not gunicorn's own


def test_the_list_of_stores_is_what_can_be_asked_for(pair: Pair) -> None:
    catalog: dict[str, Any] = {}
    stores: dict[str, Any] = {}

    def are_up() -> bool:  # a database that does not answer within a second is down
        catalog.update(pair.gunicorn.call("GET", "/stores").json)
        stores.update({store["id"]: store for store in catalog["stores"]})
        return {stores[store]["status"] for store in STORES} == {"up"}

    eventually(are_up)
    assert catalog["process"]["port"] == pair.gunicorn.port
    modes = {store["mode"] for store in catalog["stores"]}
    connections = stores["memory/blocking/volatile"]["ledger"]["connections"]
    if pair.worker == "tornado":
        assert (modes, connections) == ({"blocking", "threads", "async"}, 1)
        assert pair.gunicorn.call("GET", "/loop").json["exact"] is True
    else:
        assert (modes, connections) == ({"blocking"}, 4 if pair.worker == "gthread" else 1)
        for path in ("/loop", "/metrics", "/", "/sleep?ms=1&mode=async"):
            answer = pair.gunicorn.call("GET", path)
            assert (answer.status, answer.json["title"]) == (501, "Not offered")


def test_a_bug_is_logged_and_not_sent(pair: Pair) -> None:
    store = "/buggy/blocking/volatile"
    path = f"{store}/records/{pair.gunicorn.create(store)['id']}"
    pair.tornado.create(store)
    _, answer = pair.compare("GET", path, X_Request_Id="bug-wsgi")
    assert b"secret" not in answer.body


@pytest.mark.parametrize(("worker", "threads"), [("sync", 1), ("gthread", 4)])
def test_a_database_that_is_gone_and_comes_back(toy: Toy, worker: str, threads: int) -> None:
    own = {"WINDTUNNEL_ENGINES": str(ENGINES), "WINDTUNNEL_LINE_URL": f"127.0.0.1:{toy.port}"}
    path = f"/line/blocking/volatile/records/{NOBODY}"
    with gunicorn(worker, *WORKERS[worker], **own) as server:
        assert server.call("GET", path).status == 200
        toy.stop()
        for _ in range(threads):
            answer = server.call("GET", path)
            assert (answer.status, answer.json["title"]) == (503, "Unavailable")
        toy.start()
        statuses = [server.call("GET", path).status for _ in range(2 * threads)]
        assert set(statuses) <= {200, 503}
        assert statuses.count(503) < threads  # one was asked meanwhile, each other may fail once


def test_each_thread_has_a_connection_and_waits_for_nobody(toy: Toy) -> None:
    own = {"WINDTUNNEL_ENGINES": str(ENGINES), "WINDTUNNEL_LINE_URL": f"127.0.0.1:{toy.port}"}
    path = f"/line/blocking/volatile/records/{NOBODY}"
    with gunicorn("gthread", "--threads", "4", **own) as server, ThreadPoolExecutor(3) as pool:
        toy.answering.clear()
        start = threading.Barrier(3)

        def read(_: int) -> int:
            start.wait()
            return server.call("GET", path).status

        hanging = [pool.submit(read, n) for n in range(3)]
        for _ in hanging:
            assert toy.asked.acquire(timeout=30)
        assert server.call("GET", "/ping").status == 200
        toy.answering.set()
        assert {call.result() for call in hanging} == {200}
        assert len(toy.connections) == 3


def test_a_wsgi_server_of_another_make_serves_it_too() -> None:
    """The standard library's has no RAW_URI, and says nothing of the end of a body."""
    code = (
        "from wsgiref.simple_server import make_server, WSGIRequestHandler as H\n"
        "from server.wsgi import application\n"
        "H.log_message = lambda *_: None\n"
        "s = make_server('127.0.0.1', 0, application)\n"
        "print(s.server_port, flush=True)\n"
        "s.serve_forever()\n"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        server = Server(process, int(process.stdout.readline()))
        created = server.create(f"/{STORES[0]}")
        answer = server.call("GET", f"/{STORES[0]}/records?min_duration=1e0&limit=5")
        assert answer.json["records"] == [created]
        assert server.call("GET", "/%20?x=1").status == 404
        assert answer.headers["X-Process"] == f"slow-{server.port}-{process.pid}"
        process.terminate()
