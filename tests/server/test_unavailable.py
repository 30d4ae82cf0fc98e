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
def server(toy: Toy) -> Iterator[Server]:
    """A server whose `line` engine talks to the toy server, with two connections a store."""
    with with_toy(toy, "--connections", "2", "--deadline", "0.5") as server:
        yield server


@pytest.fixture
def patient(toy: Toy) -> Iterator[Server]:
    """A server with a deadline longer than any wait here."""
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
        answer = read(patient, mode)
        assert (answer.status, answer.json["type"]) == (503, "urn:windtunnel:problem:unavailable")
        assert "Toy <server>" in answer.json["detail"]
    assert patient.call("GET", "/ping").status == 200
    patient.create(MEMORY)
    toy.start()
    assert read(patient, mode).status == 200


@pytest.mark.parametrize("mode", MODES)
def test_a_database_that_hangs_and_recovers(server: Server, toy: Toy, mode: str) -> None:
    assert read(server, mode).status == 200
    toy.answering.clear()
    for _ in range(4):  # more than there are connections
        answer = read(server, mode)
        assert answer.status == 503
        assert answer.json["title"] in {"Deadline exceeded", "Unavailable"}
    server.create(MEMORY)
    toy.answering.set()
    assert read(server, mode).status == 200


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
def test_all_connections_in_use(server: Server, toy: Toy, mode: str) -> None:
    """Six calls that begin at once: a later one gets the slot of one that ends sooner."""
    toy.answering.clear()
    server.process.send_signal(signal.SIGSTOP)
    callers = [server.connect() for _ in range(6)]
    for caller in callers:
        caller.request("GET", path(mode))
    server.process.send_signal(signal.SIGCONT)
    answers = [caller.getresponse() for caller in callers]
    problems = [json.loads(answer.read()) for answer in answers]
    for caller in callers:
        caller.close()
    titles = [problem["title"] for problem in problems]
    assert {answer.status for answer in answers} == {503}
    busy = [(a, t) for a, t in zip(answers, problems, strict=True) if t["title"] == "Busy"]
    assert len(busy) >= 1, titles
    for answer, problem in busy:
        assert answer.headers["Retry-After"] == "1"
        assert "all 2 connections were in use" in problem["detail"]
    assert len(titles) - len(busy) >= 2, titles
    toy.answering.set()
    assert read(server, mode).status == 200


def test_a_hanging_database_is_down_in_the_list_and_holds_nobody(server: Server, toy: Toy) -> None:
    """A ping that is sent after the question is answered before it."""
    toy.answering.clear()
    with ThreadPoolExecutor(1) as pool:
        listing = pool.submit(server.call, "GET", "/stores")
        assert toy.asked.acquire(timeout=30)
        assert server.call("GET", "/ping").status == 200
        assert not listing.done()
        stores = {store["id"]: store for store in listing.result().json["stores"]}
    assert stores["line/async/volatile"]["status"] == "down"
    assert stores["line/async/volatile"]["detail"]
    assert stores["memory/async/volatile"]["status"] == "up"


def test_stores_that_nobody_uses_are_closed_and_open_again(toy: Toy) -> None:
    with with_toy(toy, "--idle", "0.2") as server:
        for mode in MODES:
            for _ in range(2):
                count = len(toy.made)
                assert read(server, mode).status == 200
                (connection,) = toy.made[count:]
                toy.wait_until_left(connection)


@pytest.mark.parametrize("mode", MODES)
def test_a_driver_that_finds_nobody_says_so_in_the_answer_alone(mode: str) -> None:
    """With a deadline that importing the driver, which may take seconds, does not meet."""
    nobody = "http://127.0.0.1:1"
    with serving("--deadline", "60", WINDTUNNEL_ELASTICSEARCH_URL=nobody) as server:
        answer = server.call("GET", f"/elasticsearch/{mode}/fast/records/{ID}")
        assert (answer.status, answer.json["detail"]) == (503, "Elasticsearch: Connection error")
        server.process.terminate()
        assert server.process.communicate(timeout=60)[1] == ""
