"""A lane against servers that stand still, never answer, or answer at once."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from time import perf_counter

import gevent
import pytest

from tests.windtunnel.interface import PATIENCE
from tests.windtunnel.stalling import stalling
from windtunnel.client.address import Address
from windtunnel.client.client import Client
from windtunnel.client.timers import Deadlines, Timer
from windtunnel.runner.bystander import Bystanders
from windtunnel.workload.arrivals import constant
from windtunnel.workload.open_loop import OpenLoop


class Asker:
    """Sends GET over one connection, and tells when it was meant to and when it was done."""

    def __init__(self, url: str, told: list[tuple[float, float, bytes]]) -> None:
        self.client = Client(Address(url), Deadlines(10))
        self.told = told
        self.close = self.client.close

    def send(self, intended: float) -> None:
        answer = self.client.request("GET", "/")
        self.told.append((intended, answer.done, answer.body))


def until(condition: Callable[[], bool]) -> None:
    """Let the loop go round until a condition holds."""
    with gevent.Timeout(PATIENCE):
        while not condition():
            gevent.sleep(0.001)


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def run(lane: OpenLoop, rate: float, seconds: float) -> float:
    """Send for some seconds, wait for the answers, and return when it began."""
    began = perf_counter()
    lane.end(began + seconds)
    lane.run((began + time for time in constant(rate)), rate)
    gevent.sleep(seconds)
    lane.drain(20)
    return began


def test_what_a_stall_does_to_those_who_meant_to_come_is_seen() -> None:
    told: list[tuple[float, float, bytes]] = []
    with stalling(0.3, 1.0) as url:
        lane = OpenLoop(lambda: Asker(url, told), 200)
        began = run(lane, 100, 2.5)
        lane.close()
        client = Client(Address(url), Deadlines(10))
        stalls = json.loads(client.request("GET", "/stalls").body)
        client.close()
    assert [begin for begin, _ in stalls if began < begin < began + 2.2]
    assert lane.sent.intended == len(told) == 250
    assert sorted(intended for intended, _, _ in told) == pytest.approx(
        list(islice((began + time for time in constant(100)), 250))
    )
    for intended, done, body in told:
        assert done >= json.loads(body) >= intended
    for begin, end in stalls:
        meant = [(i, done) for i, done, _ in told if begin < i < end]
        assert all(done >= end for _, done in meant)


def test_an_end_that_has_come_is_not_put_off() -> None:
    told: list[tuple[float, float, bytes]] = []
    with stalling(0, 1.0) as url:
        lane = OpenLoop(lambda: Asker(url, told), 20)
        began = run(lane, 50, 0.1)
        lane.end(began + 0.5)
        lane.drain(20)
        lane.close()
    assert (lane.sent.intended, lane.sent.skipped) == (len(told), 0) == (5, 0)


def test_it_waits_for_no_answer_and_counts_what_it_cannot_send(silent: str) -> None:
    lane = OpenLoop(lambda: Asker(silent, []), 20)
    began = perf_counter()
    lane.end(began + 0.5)
    lane.run((began + time for time in constant(200)), 200)
    until(lambda: lane.sent.intended == 100)
    lane.drain(0.2)
    assert (lane.sent.intended, lane.sent.skipped, lane.under_way) == (100, 80, 20)
    lane.close()


def test_what_a_generator_has_no_time_for_is_counted_too() -> None:
    class Slow:
        close: Callable[[], None] = staticmethod(lambda: None)

        def send(self, intended: float) -> None:
            until = perf_counter() + 0.005
            while perf_counter() < until:
                pass

    lane = OpenLoop(Slow, 5)
    began = perf_counter()
    lane.end(began + 0.3)
    lane.run((began + time for time in constant(1_000)), 1_000)
    gevent.sleep(0.3)
    lane.drain(0.1)
    assert lane.sent.intended == 300
    assert 0 < lane.sent.skipped < 300
    assert 0 < lane.sent.late <= 300 - lane.sent.skipped
    lane.close()


def test_counting_from_a_moment_to_another() -> None:
    told: list[tuple[float, float, bytes]] = []
    with stalling(0.0, 60) as url:
        lane = OpenLoop(lambda: Asker(url, told), 50)
        began = perf_counter()
        lane.run((began + time for time in constant(100)), 100)
        lane.count_from(began + 0.205)
        lane.end(began + 0.405)
        gevent.sleep(0.5)
        lane.drain(20)
        assert lane.sent.intended == 20
        assert len(told) == 41
        assert lane.sent.lag.count <= 20
        lane.run((began + 0.4 + time for time in constant(100)), 100)  # nothing is left of it
        lane.drain(20)
        assert lane.sent.intended == 21
        lane.close()


def test_a_connection_is_made_only_when_no_other_is_free() -> None:
    made = 0

    def make() -> Asker:
        nonlocal made
        made += 1
        return Asker(url, [])

    with stalling(0.0, 60) as url:
        lane = OpenLoop(make, 50)
        times = iter([perf_counter() + 0.01])
        for _ in range(10):
            lane.run(times, 100)
            gevent.sleep(0.02)
            lane.drain(20)
            times = iter([perf_counter()])
        lane.close()
    assert made == 1


def test_a_sender_that_breaks_is_told_and_holds_nothing_up() -> None:
    class Broken:
        close: Callable[[], None] = staticmethod(lambda: None)

        def send(self, intended: float) -> None:
            raise RuntimeError("broken")

    lane = OpenLoop(Broken, 5)
    run(lane, 100, 0.1)
    assert str(lane.broken) == "broken"
    lane.close()


def test_a_timer_that_is_late_comes_at_once_and_one_that_is_off_never() -> None:
    seen = []

    def wake() -> None:
        seen.append(1)
        timer.off()

    timer = Timer(wake)
    timer.at(perf_counter() - 5)
    until(lambda: seen == [1])
    timer.at(perf_counter() + 0.01)
    timer.off()
    gevent.sleep(0.05)
    timer.close()
    timer.close()
    assert seen == [1]


def test_a_bystander_counts_what_is_no_pong_as_failed(silent: str) -> None:
    with stalling(0.0, 60) as url:
        beside = Bystanders([url, silent], 50, timeout=0.3)
        beside.run()
        began = perf_counter()
        beside.count_from(began)
        beside.end(began + 0.2)
        gevent.sleep(0.25)
        beside.drain(5)
        told = beside.told()
        beside.close()
    assert [one["intended"] for one in told] == [10, 10]
    assert [one["failed"] for one in told] == [10, 10]
    assert told[0]["process"] == url.removeprefix("http://")


def test_connections_that_nobody_needs_any_more_are_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("windtunnel.workload.open_loop.IDLE_AT_MOST", 0.1)
    askers: list[Asker] = []
    closed: set[int] = set()

    def make() -> Asker:
        asker = Asker(url, [])
        asker.close = partial(closed.add, len(askers))
        askers.append(asker)
        return asker

    with stalling(0.0, 60) as url:
        lane = OpenLoop(make, 50)
        now = perf_counter()
        lane.run(iter([now] * 10), 100)  # all at once: each needs its own
        lane.drain(20)
        assert len(askers) == 10
        for _ in range(4):  # one at a time: two at once could change places
            gevent.sleep(0.11)
            lane.run(iter([perf_counter()]), 100)
            lane.drain(20)
        assert len(askers) == 10
        assert len(closed) == 9
        lane.close()
        for asker in askers:
            asker.client.close()
