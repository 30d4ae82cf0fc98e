"""A database that is down, hangs or refuses: 503 in time, recovery, and the others go on."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.server.conftest import ENGINES, MEMORY, Server, serving
from tests.server.toy import Toy

ID = "0" * 24

MODES = ["blocking", "threads", "async"]


@contextlib.contextmanager
def with_toy(toy: Toy, *arguments: str) -> Iterator[Server]:
    with serving(
        *arguments,
        WINDTUNNEL_ENGINES=str(ENGINES),
        WINDTUNNEL_LINE_URL=f"127.0.0.1:{toy.port}",
    ) as server:
        yield server


@pytest.fixture
def near(toy: Toy) -> Iterator[Server]:
    """A server whose `line` engine talks to the toy server, with two connections a store."""
    with with_toy(toy, "--connections", "2", "--deadline", "0.5") as server:
        yield server


@pytest.fixture
def patient(toy: Toy) -> Iterator[Server]:
    """A server whose deadline nobody meets who is answered in the end."""
    with with_toy(toy, "--deadline", "60") as server:
        yield server


def path(mode: str) -> str:
    return f"/line/{mode}/volatile/records/{ID}"


def read(server: Server, mode: str) -> Any:
    return server.call("GET", path(mode))


@pytest.mark.parametrize("mode", MODES)
def test_a_database_that_is_gone_and_comes_back(patient: Server, toy: Toy, mode: str) -> None:
    assert read(patient, mode).status == 200
    toy.stop()
    for _ in range(3):
        gone = read(patient, mode)
        assert (gone.status, gone.json["type"]) == (503, "urn:windtunnel:problem:unavailable")
        assert "Toy <server>" in gone.json["detail"]
    assert patient.call("GET", "/ping").status == 200
    patient.create(MEMORY)
    toy.start()
    assert read(patient, mode).status == 200


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
def test_others_are_answered_while_one_hangs(patient: Server, toy: Toy, mode: str) -> None:
    toy.answering.clear()
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(read, patient, mode)
        assert toy.asked.acquire(timeout=30)
        assert patient.call("GET", "/ping").status == 200
        patient.create(MEMORY)
        assert not hanging.done()
        toy.answering.set()
        assert hanging.result().status == 200


@pytest.mark.parametrize("mode", ["threads", "async"])
def test_all_connections_in_use(near: Server, toy: Toy, mode: str) -> None:
    """Six calls that begin at once: who begins later is given the place of who ends sooner."""
    toy.answering.clear()
    near.process.send_signal(signal.SIGSTOP)
    callers = [near.connect() for _ in range(6)]
    for caller in callers:
        caller.request("GET", path(mode))
    near.process.send_signal(signal.SIGCONT)
    answers = [caller.getresponse() for caller in callers]
    told = [json.loads(answer.read()) for answer in answers]
    for caller in callers:
        caller.close()
    titles = [one["title"] for one in told]
    assert {answer.status for answer in answers} == {503}
    busy = [(a, t) for a, t in zip(answers, told, strict=True) if t["title"] == "Busy"]
    assert len(busy) >= 1, titles
    for answer, one in busy:
        assert answer.headers["Retry-After"] == "1"
        assert "all 2 connections were in use" in one["detail"]
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
    with with_toy(toy, "--idle", "0.2") as server:
        for mode in MODES:
            for _ in range(2):
                known = len(toy.made)
                assert read(server, mode).status == 200
                (connection,) = toy.made[known:]
                toy.wait_until_left(connection)


@pytest.mark.parametrize("mode", MODES)
def test_a_driver_that_finds_nobody_says_so_in_the_answer_alone(mode: str) -> None:
    """With a deadline that importing the driver, which may take seconds, does not meet."""
    nobody = "http://127.0.0.1:1"
    with serving("--deadline", "60", WINDTUNNEL_ELASTICSEARCH_URL=nobody) as server:
        gone = server.call("GET", f"/elasticsearch/{mode}/fast/records/{ID}")
        assert (gone.status, gone.json["detail"]) == (503, "Elasticsearch: Connection error")
        server.process.terminate()
        assert server.process.communicate(timeout=60)[1] == ""
