"""What `make truth` rests on: proxies that do what they say, and a truth that is computed right."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from itertools import islice

import gevent
import pytest

from tests.windtunnel.served import ROOT
from validation import ground_truth, million_samples, poisson, processes, tuner
from validation.faults import Delay, Humps, Queue, Ramp, Stall
from validation.measurement import measure
from validation.proxy import ProxiedRequest
from validation.verdict import ExperimentError
from windtunnel.client.address import Address
from windtunnel.client.client import Client
from windtunnel.client.timers import Deadlines
from windtunnel.recording.histogram import Histogram
from windtunnel.workload.arrivals import WHOLE, constant
from windtunnel.workload.arrivals import poisson as at_random

STORE = "memory/async/volatile"


def truth(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "validation", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with processes.server() as port:
        yield port


# -- harm ---------------------------------------------------------------------------------------


def test_a_stall_holds_until_it_is_over() -> None:
    stall = Stall(1, 10)
    assert [stall.hold(moment) for moment in (0, 8.9, 9.25, 9.75, 10.5, 19.5)] == pytest.approx(
        [0, 0, 0.75, 0.25, 0, 0.5]
    )


def test_a_ramp_begins_again() -> None:
    assert [Ramp(0.1, 10).hold(moment) for moment in (0, 5, 10, 15)] == pytest.approx(
        [0, 0.05, 0, 0.05]
    )


def test_humps_are_as_frequent_as_they_should_be() -> None:
    humps = Humps(0.005, 0.05, 0.1)
    held = [humps.hold(0) for _ in range(10_000)]
    assert set(held) == {0.005, 0.05}
    assert held.count(0.05) == pytest.approx(1_000, rel=0.1)
    assert Delay(0.3).hold(7) == 0.3


def test_a_queue_serves_one_after_the_other() -> None:
    queue = Queue(2)
    assert [queue.hold(moment) for moment in (0, 1, 1, 10)] == [2, 3, 5, 2]


# -- the proxy ----------------------------------------------------------------------------------


def test_a_proxy_passes_all_on_and_remembers_it(port: int) -> None:
    with processes.proxy(port, "delay", 0.02) as harmed:
        with urllib.request.urlopen(f"{harmed.url}/ping") as answer:
            assert answer.read() == b"pong"
            request_id = answer.headers["X-Request-Id"]
        body = json.dumps([]).encode()
        put = urllib.request.Request(
            f"{harmed.url}/{STORE}/records",
            body,
            {"Content-Type": "application/json"},
            method="PUT",
        )
        with urllib.request.urlopen(put) as answer:
            assert json.load(answer) == {"ids": []}
        seen = harmed.seen()
    assert [each.line for each in seen] == ["GET /ping HTTP/1.1", f"PUT /{STORE}/records HTTP/1.1"]
    assert seen[0].request_id == request_id
    assert all(each.answered - each.arrived >= 0.02 for each in seen)


def ask(url: str, count: int, at_once: int) -> list[str]:
    """Send `count` requests, `at_once` at a time; return the ids of their answers."""
    ids: list[str] = []

    def work() -> None:
        client = Client(Address(url), Deadlines(10.0))
        ids.extend(client.request("GET", "/ping").header(b"X-Request-Id").decode() for _ in turns)
        client.close()

    turns = range(count // at_once)
    gevent.joinall([gevent.spawn(work) for _ in range(at_once)], raise_error=True)
    return ids


def test_requests_on_one_connection_are_told_apart(port: int) -> None:
    with processes.proxy(port, "delay", 0.005) as harmed:
        ids = ask(harmed.url, 6, at_once=2)
        seen = {each.request_id for each in harmed.seen()}
    assert set(ids) == seen
    assert len(ids) == len(seen) == 6


def test_a_server_that_is_gone_ends_the_connection() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = probe.getsockname()[1]
    with processes.proxy(nobody, "delay", 0) as harmed:
        assert ask(harmed.url, 1, at_once=1) == [""]


# -- the truth ----------------------------------------------------------------------------------


def read(arrived: float, answered: float) -> ProxiedRequest:
    return ProxiedRequest(f"GET /{STORE}/records/{'0' * 24} HTTP/1.1", arrived, "", answered)


def test_response_times_begin_when_a_request_was_meant_to_be_sent() -> None:
    sent_late = [read(10.0, 10.001), read(10.15, 10.2), read(10.2, 10.201), read(10.3, 10.301)]
    assert ground_truth.responses(sent_late, constant(10), 4) == pytest.approx(
        [1_000, 100_000, 1_000, 1_000]
    )
    assert ground_truth.responses(sent_late, constant(10), 2) == pytest.approx([1_000, 1_000])


def test_more_counted_than_seen_is_no_truth() -> None:
    with pytest.raises(ExperimentError, match="3 were counted, 1 came"):
        ground_truth.responses([read(1, 2)], constant(10), 3)


def test_cells_are_told_apart_by_their_population() -> None:
    put = ProxiedRequest(f"PUT /{STORE}/records HTTP/1.1", 1.0)
    again = ProxiedRequest(f"PUT /{STORE}/records HTTP/1.1", 4.0)
    ping = ProxiedRequest("GET /ping HTTP/1.1", 2.5)
    first, second, third = read(2, 2), read(3, 3), read(5, 5)
    assert ground_truth.cells([put, first, ping, second, again, third], STORE) == [
        [first, second],
        [third],
    ]


@pytest.mark.parametrize(
    ("found", "near"),
    [(500_000, True), (509_000, True), (512_000, False), (480_000, False)],
)
def test_a_figure_has_to_be_near_the_truth(found: float, near: bool) -> None:
    times = [float(us) for us in range(1_000, 1_000_001, 1_000)]
    assert ground_truth.near(found, times, 0.5) is near


def test_three_thousandths_of_rank_are_near_enough() -> None:
    cliff = [1_000.0] * 900 + [100_000.0] * 100
    assert ground_truth.near(100_000, cliff, 0.9)
    assert not ground_truth.near(100_000, cliff, 0.896)
    assert not ground_truth.near(50_000, cliff, 0.95)


def test_too_few_samples_report_no_tail() -> None:
    assert dict(ground_truth.reportable(Histogram({5: 999}))) == {
        "p50": 0.5,
        "p90": 0.9,
        "p95": 0.95,
    }
    assert "p99.9" in dict(ground_truth.reportable(Histogram({5: 10_000})))


def test_arrivals_are_judged_by_their_gaps_and_their_counts() -> None:
    came, even = list(islice(at_random(50, 3, WHOLE), 3_000)), list(islice(constant(50), 3_000))
    critical = poisson.KOLMOGOROV / 3_000**0.5
    assert poisson.distance(came, 50) < critical < poisson.distance(came, 45)
    assert poisson.distance(even, 50) == pytest.approx(1 - 1 / math.e, abs=0.01)
    assert poisson.dispersion(came, 0.1) == pytest.approx(1, abs=0.15)
    assert poisson.dispersion(even, 0.1) < 0.1


def test_moments_at_random_are_those_of_the_seed() -> None:
    meant = list(islice(at_random(10, 1, WHOLE), 3))
    seen = [read(7 + moment, 7 + moment + 0.001) for moment in meant]
    assert ground_truth.responses(seen, at_random(10, 1, WHOLE), 3) == pytest.approx([1_000] * 3)


# -- the command --------------------------------------------------------------------------------


def test_four_processes_are_merged_exactly() -> None:
    done = truth("merge", "--quick")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("pass") == 2


def test_the_same_seed_makes_the_same_samples() -> None:
    assert list(million_samples.made(50, "a")) == list(million_samples.made(50, "a"))
    assert list(million_samples.made(50, "a")) != list(million_samples.made(50, "b"))


def test_an_unknown_experiment_is_named() -> None:
    done = truth("nonsense")
    assert done.returncode == 2
    assert done.stderr.startswith("truth: 'nonsense' is none of stall, ")


def test_what_cannot_be_measured_is_told_in_a_line() -> None:
    with pytest.raises(ExperimentError, match=r"^windtunnel run: "):
        measure("http://127.0.0.1:9", "--rate", "10")


def test_a_process_ends_with_the_experiment_that_breaks_down() -> None:
    with pytest.raises(ExperimentError), processes.server() as port:
        raise ExperimentError("broken")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize(
    ("load", "best"),
    [
        (tuner.TunerLoad(4, 100, 6), ["3+1", "2+2", "1+3"]),
        (tuner.TunerLoad(4, 100, 25), ["1+3"]),
        (tuner.TunerLoad(2, 100, 15, gets_done=12), ["2-together"]),
        (tuner.TunerLoad(3, 100, 15), ["1+2"]),
    ],
)
def test_how_many_processes_sleeps_need_is_known(load: tuner.TunerLoad, best: list[str]) -> None:
    assert tuner.as_good_as_the_best(load) == best


def test_an_objective_that_no_split_holds_is_no_truth() -> None:
    with pytest.raises(ExperimentError, match="no split holds"):
        tuner.as_good_as_the_best(tuner.TunerLoad(2, 100, 50, gets_done=40))
