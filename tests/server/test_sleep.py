"""Sleeping for a set time: the three ways to wait, and what may be asked for."""

from __future__ import annotations

import threading

import pytest

from tests.server.conftest import Server

LEADS = ["", "/slow"]


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize(
    ("query", "mode"),
    [("", "blocking"), ("&mode=blocking", "blocking"), ("&mode=threads", "threads"),
     ("&mode=async", "async")],
)  # fmt: skip
def test_it_sleeps_that_long_and_says_so(server: Server, lead: str, query: str, mode: str) -> None:
    answer = server.call("GET", f"{lead}/sleep?ms=20{query}")
    assert (answer.status, answer.json) == (200, {"ms": 20, "mode": mode})
    timing = dict(part.split(";dur=") for part in answer.headers["Server-Timing"].split(", "))
    assert float(timing["driver"]) >= 19.9
    assert float(timing["handler"]) >= float(timing["driver"])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "ms"), ("?ms=", "ms"), ("?ms=0", "ms"), ("?ms=-1", "ms"), ("?ms=10001", "ms"),
        ("?ms=1.5", "ms"), ("?ms=1e3", "ms"), ("?ms=%D9%A3", "ms"), ("?ms=999999999999", "ms"),
        ("?ms=1&ms=2", "ms"), ("?ms=1&mode=fork", "mode"), ("?ms=1&mode=", "mode"),
        ("?ms=1&for=2", "for"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("lead", LEADS)
def test_what_is_wrong_is_named(server: Server, lead: str, query: str, field: str) -> None:
    answer = server.call("GET", f"{lead}/sleep{query}")
    assert (answer.status, answer.json["field"]) == (422, field)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_other_verbs_are_refused(server: Server) -> None:
    answer = server.call("POST", "/sleep?ms=1", {})
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def held_ms(server: Server) -> float:
    holders = server.call("GET", "/loop").json["blocks"]["by"]
    return sum(float(holder["total_ms"]) for holder in holders if holder["operation"] == "sleep")


@pytest.mark.parametrize(
    ("mode", "blocked"), [("blocking", True), ("threads", False), ("async", False)]
)
def test_only_blocking_holds_the_loop(server: Server, mode: str, blocked: bool) -> None:
    """A machine that stands still holds the loop of any handler, but hardly for as long."""
    before = held_ms(server)
    assert server.call("GET", f"/sleep?ms=500&mode={mode}").status == 200
    assert (held_ms(server) - before >= 500) is blocked


@pytest.mark.parametrize("mode", ["threads", "async"])
def test_others_are_answered_meanwhile(server: Server, mode: str) -> None:
    """Who is told of two requests under way, its own among them, was answered meanwhile."""
    sleep = threading.Thread(target=server.call, args=["GET", f"/sleep?ms=1500&mode={mode}"])
    sleep.start()
    while b"windtunnel_requests_in_flight 2" not in server.call("GET", "/metrics").body:
        assert sleep.is_alive()
    sleep.join()
