"""A database that is down, hangs or refuses: 503 in time, recovery, and the others go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.server.conftest import ENGINES, MEMORY, Server, serving
from tests.server.toy import Toy

ID = "0" * 24

MODES = ["blocking", "threads", "async"]


@pytest.fixture
def near(toy: Toy) -> Iterator[Server]:
    """A server whose `line` engine talks to the toy server, with two connections a store."""
    with serving(
        *("--connections", "2", "--deadline", "0.5"),
        WINDTUNNEL_ENGINES=str(ENGINES),
        WINDTUNNEL_LINE_URL=f"127.0.0.1:{toy.port}",
    ) as server:
        yield server


def read(server: Server, mode: str) -> Any:
    return server.call("GET", f"/line/{mode}/volatile/records/{ID}")


@pytest.mark.parametrize("mode", MODES)
def test_a_database_that_is_gone_and_comes_back(near: Server, toy: Toy, mode: str) -> None:
    assert read(near, mode).status == 200
    toy.stop()
    for _ in range(3):
        gone = read(near, mode)
        assert (gone.status, gone.json["type"]) == (503, "urn:windtunnel:problem:unavailable")
        assert "Toy <server>" in gone.json["detail"]
    assert near.call("GET", "/ping").status == 200
    near.create(MEMORY)
    toy.start()
    assert read(near, mode).status == 200


@pytest.mark.parametrize("mode", MODES)
def test_a_database_that_hangs_and_recovers(near: Server, toy: Toy, mode: str) -> None:
    assert read(near, mode).status == 200
    toy.answering.clear()
    for _ in range(4):  # more than there are connections
        late = read(near, mode)
        assert late.status == 503
        assert late.json["title"] in {"Deadline exceeded", "Unavailable"}
    near.create(MEMORY)
    toy.answering.set()
    assert read(near, mode).status == 200


@pytest.mark.parametrize("mode", ["threads", "async"])
def test_others_are_answered_while_one_hangs(near: Server, toy: Toy, mode: str) -> None:
    toy.answering.clear()
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(read, near, mode)
        assert toy.asked.acquire(timeout=30)
        assert near.call("GET", "/ping").status == 200
        near.create(MEMORY)
        assert not hanging.done()
        toy.answering.set()
        assert hanging.result().status == 200


@pytest.mark.parametrize("mode", ["threads", "async"])
def test_all_connections_in_use(near: Server, toy: Toy, mode: str) -> None:
    toy.answering.clear()
    start = threading.Barrier(6)

    def one(_: int) -> Any:
        start.wait()
        return read(near, mode)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(one, range(6)))
    titles = [answer.json["title"] for answer in answers]
    assert {answer.status for answer in answers} == {503}
    busy = [answer for answer in answers if answer.json["title"] == "Busy"]
    assert len(busy) >= 1, titles
    for answer in busy:
        assert answer.headers["Retry-After"] == "1"
        assert "all 2 connections were in use" in answer.json["detail"]
    assert len(titles) - len(busy) >= 2, titles
    toy.answering.set()
    assert read(near, mode).status == 200


def test_a_hanging_database_is_down_in_the_list_and_holds_nobody(near: Server, toy: Toy) -> None:
    """A ping that is sent after the question is answered before it."""
    toy.answering.clear()
    with ThreadPoolExecutor(1) as pool:
        listing = pool.submit(near.call, "GET", "/stores")
        assert toy.asked.acquire(timeout=30)
        assert near.call("GET", "/ping").status == 200
        assert not listing.done()
        stores = {store["id"]: store for store in listing.result().json["stores"]}
    assert stores["line/async/volatile"]["status"] == "down"
    assert stores["line/async/volatile"]["detail"]
    assert stores["memory/async/volatile"]["status"] == "up"


def test_stores_that_nobody_uses_are_closed_and_open_again(toy: Toy) -> None:
    with serving(
        *("--idle", "0.2"),
        WINDTUNNEL_ENGINES=str(ENGINES),
        WINDTUNNEL_LINE_URL=f"127.0.0.1:{toy.port}",
    ) as server:
        for mode in MODES:
            assert read(server, mode).status == 200
            (connection,) = toy.connections
            toy.wait_until_left(connection)
            assert read(server, mode).status == 200
            toy.wait_until_left(*toy.connections)


@pytest.mark.parametrize("mode", MODES)
def test_a_driver_that_finds_nobody_says_so_in_the_answer_alone(mode: str) -> None:
    with serving(WINDTUNNEL_ELASTICSEARCH_URL="http://127.0.0.1:1") as server:
        gone = server.call("GET", f"/elasticsearch/{mode}/fast/records/{ID}")
        assert (gone.status, gone.json["detail"]) == (503, "Elasticsearch: Connection error")
        server.process.terminate()
        assert server.process.communicate(timeout=60)[1] == ""
