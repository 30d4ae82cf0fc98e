"""An open loop against servers that stand still, never answer, or answer at once."""

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
from windtunnel.client.deadlines import Deadlines, Timer
from windtunnel.runner.bystander import Bystanders
from windtunnel.workload.arrivals import constant
from windtunnel.workload.open_loop import OpenLoop


class GetSender:
    """Sends GET over one connection, and notes when each was scheduled and done."""

    def __init__(self, url: str, requests: list[tuple[float, float, bytes]]) -> None:
        self.client = Client(Address(url), Deadlines(10))
        self.requests = requests
        self.close = self.client.close

    def send(self, scheduled: float) -> None:
        response = self.client.request("GET", "/")
        self.requests.append((scheduled, response.done_at, response.body))


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


def run(loop: OpenLoop, rate: float, seconds: float) -> float:
    """Send for some seconds, wait for the responses, and return when it began."""
    began = perf_counter()
    loop.end(began + seconds)
    loop.run((began + time for time in constant(rate)), rate)
    gevent.sleep(seconds)
    loop.drain(20)
    return began


def test_requests_scheduled_in_a_stall_are_measured() -> None:
    requests: list[tuple[float, float, bytes]] = []
    with stalling(0.3, 1.0) as url:
        loop = OpenLoop(lambda: GetSender(url, requests), 200)
        began = run(loop, 100, 2.5)
        loop.close()
        client = Client(Address(url), Deadlines(10))
        stalls = json.loads(client.request("GET", "/stalls").body)
        client.close()
    assert [begin for begin, _ in stalls if began < begin < began + 2.2]
    assert loop.stats.scheduled == len(requests) == 250
    assert sorted(scheduled for scheduled, _, _ in requests) == pytest.approx(
        list(islice((began + time for time in constant(100)), 250))
    )
    for scheduled, done, body in requests:
        assert done >= json.loads(body) >= scheduled
    for begin, end in stalls:
        stalled = [(i, done) for i, done, _ in requests if begin < i < end]
        assert all(done >= end for _, done in stalled)


def test_an_end_that_has_come_is_not_put_off() -> None:
    requests: list[tuple[float, float, bytes]] = []
    with stalling(0, 1.0) as url:
        loop = OpenLoop(lambda: GetSender(url, requests), 20)
        began = run(loop, 50, 0.1)
        loop.end(began + 0.5)
        loop.drain(20)
        loop.close()
    assert (loop.stats.scheduled, loop.stats.skipped) == (len(requests), 0) == (5, 0)


def test_it_waits_for_no_answer_and_counts_what_it_cannot_send(silent: str) -> None:
    loop = OpenLoop(lambda: GetSender(silent, []), 20)
    began = perf_counter()
    loop.end(began + 0.5)
    loop.run((began + time for time in constant(200)), 200)
    until(lambda: loop.stats.scheduled == 100)
    loop.drain(0.2)
    assert (loop.stats.scheduled, loop.stats.skipped, loop.in_flight) == (100, 80, 20)
    loop.close()


def test_what_a_generator_has_no_time_for_is_counted_too() -> None:
    class BusySender:
        close: Callable[[], None] = staticmethod(lambda: None)

        def send(self, scheduled: float) -> None:
            until = perf_counter() + 0.005
            while perf_counter() < until:
                pass

    loop = OpenLoop(BusySender, 5)
    began = perf_counter()
    loop.end(began + 0.3)
    loop.run((began + time for time in constant(1_000)), 1_000)
    gevent.sleep(0.3)
    loop.drain(0.1)
    assert loop.stats.scheduled == 300
    assert 0 < loop.stats.skipped < 300
    assert 0 < loop.stats.late <= 300 - loop.stats.skipped
    loop.close()


def test_counting_from_a_moment_to_another() -> None:
    requests: list[tuple[float, float, bytes]] = []
    with stalling(0.0, 60) as url:
        loop = OpenLoop(lambda: GetSender(url, requests), 50)
        began = perf_counter()
        loop.run((began + time for time in constant(100)), 100)
        loop.count_from(began + 0.205)
        loop.end(began + 0.405)
        gevent.sleep(0.5)
        loop.drain(20)
        assert loop.stats.scheduled == 20
        assert len(requests) == 41
        assert loop.stats.lag.count <= 20
        loop.run((began + 0.4 + time for time in constant(100)), 100)  # nothing is left of it
        loop.drain(20)
        assert loop.stats.scheduled == 21
        loop.close()


def test_a_connection_is_made_only_when_no_other_is_free() -> None:
    made = 0

    def make_sender() -> GetSender:
        nonlocal made
        made += 1
        return GetSender(url, [])

    with stalling(0.0, 60) as url:
        loop = OpenLoop(make_sender, 50)
        times = iter([perf_counter() + 0.01])
        for _ in range(10):
            loop.run(times, 100)
            gevent.sleep(0.02)
            loop.drain(20)
            times = iter([perf_counter()])
        loop.close()
    assert made == 1


def test_a_sender_that_breaks_is_told_and_holds_nothing_up() -> None:
    class BrokenSender:
        close: Callable[[], None] = staticmethod(lambda: None)

        def send(self, scheduled: float) -> None:
            raise RuntimeError("broken")

    loop = OpenLoop(BrokenSender, 5)
    run(loop, 100, 0.1)
    assert str(loop.error) == "broken"
    loop.close()


def test_a_timer_that_is_late_comes_at_once_and_one_that_is_off_never() -> None:
    calls = []

    def wake() -> None:
        calls.append(1)
        timer.cancel()

    timer = Timer(wake)
    timer.set(perf_counter() - 5)
    until(lambda: calls == [1])
    timer.set(perf_counter() + 0.01)
    timer.cancel()
    gevent.sleep(0.05)
    timer.close()
    timer.close()
    assert calls == [1]


def test_a_bystander_counts_what_is_no_pong_as_failed(silent: str) -> None:
    with stalling(0.0, 60) as url:
        bystanders = Bystanders([url, silent], 50, timeout=0.3)
        bystanders.run()
        began = perf_counter()
        bystanders.count_from(began)
        bystanders.end(began + 0.2)
        gevent.sleep(0.25)
        bystanders.drain(5)
        pings = bystanders.results()
        bystanders.close()
    assert [ping.intended for ping in pings] == [10, 10]
    assert [ping.failed for ping in pings] == [10, 10]
    assert pings[0].process == url.removeprefix("http://")


def test_connections_that_nobody_needs_any_more_are_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("windtunnel.workload.open_loop.IDLE_TIMEOUT", 0.1)
    senders: list[GetSender] = []
    closed: set[int] = set()

    def make_sender() -> GetSender:
        sender = GetSender(url, [])
        sender.close = partial(closed.add, len(senders))
        senders.append(sender)
        return sender

    with stalling(0.0, 60) as url:
        loop = OpenLoop(make_sender, 50)
        now = perf_counter()
        loop.run(iter([now] * 10), 100)  # all at once: each needs its own
        loop.drain(20)
        assert len(senders) == 10
        for _ in range(4):  # one at a time: two at once could swap
            gevent.sleep(0.11)
            loop.run(iter([perf_counter()]), 100)
            loop.drain(20)
        assert len(senders) == 10
        assert len(closed) == 9
        loop.close()
        for sender in senders:
            sender.client.close()
