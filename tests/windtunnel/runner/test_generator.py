"""The generator as the runner uses it: a process of its own, against a real server."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from itertools import dropwhile
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from hdrh.histogram import HdrHistogram

from tests.stacks import eventually
from tests.windtunnel.driven import Driven, counts, driven_once
from tests.windtunnel.interface import PATIENCE
from tests.windtunnel.served import Server, server
from windtunnel.recording.results import Cell


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    with server() as started:
        yield started


@pytest.fixture(scope="module")
def shared() -> Iterator[Driven]:
    yield from driven_once()


@pytest.fixture
def driven() -> Iterator[Driven]:
    yield from driven_once()


def test_a_cell_is_a_line_of_cells_jsonl(shared: Driven, served: Server) -> None:
    groups = {"server": [served.process.pid], "database": []}
    told = shared.cell(target=served.url, groups=groups)
    facts = {"round": 1, "target": "direct"}
    cell = msgspec.convert({**told, **facts}, Cell)
    done = counts(told)
    assert set(done) == {"create", "read", "edit", "delete"}
    assert cell.throughput_rps == pytest.approx(sum(done.values()) / cell.seconds, rel=1e-3)
    assert cell.void is None
    assert cell.cpu_s.generator
    assert cell.cpu_s.server
    assert cell.cpu_s.database == 0
    for entry in told["operations"]:
        histogram = HdrHistogram.decode(entry["service_us"]["histogram"])
        assert histogram.get_total_count() == entry["count"]
        assert entry["pool"] == "fast"
    assert {"steal", "generator_cpu", "lag_p99_ms", "descriptors"} <= set(cell.health)


@pytest.mark.parametrize(
    "mix",
    ["read-heavy", "write-heavy", "find-heavy", "create", "read", "update", "edit", "find"],
)
def test_every_mix_gets_right_answers_only(shared: Driven, served: Server, mix: str) -> None:
    told = shared.answered(target=served.url, mix=mix)
    assert {entry["outcome"] for entry in told["operations"]} == {"ok"}
    if "-" not in mix:
        assert set(counts(told)) == {mix}


def test_a_summary_is_seeded_and_asked_for(shared: Driven, served: Server) -> None:
    told = shared.answered(target=served.url, mix="summary", summary_size=500)
    assert set(counts(told)) == {"summary"}


def test_deleting_alone_ends_early_when_nothing_is_left(shared: Driven, served: Server) -> None:
    told = shared.cell(target=served.url, mix="delete", warmup=0.0, duration=120.0)
    assert set(counts(told)) == {"delete"}
    assert told["seconds"] < 120
    assert told["flags"][-1].startswith("ended early")


def test_users_leave_no_connection_behind(shared: Driven, served: Server) -> None:
    first = shared.cell(target=served.url, users=20)["health"]["descriptors"]
    assert shared.cell(target=served.url, users=20)["health"]["descriptors"] == first
    assert not psutil.Process(shared.process.pid).net_connections()


def test_each_user_has_one_connection(driven: Driven, served: Server) -> None:
    driven.order(target=served.url, users=30, duration=600.0)
    assert [driven.next()["event"] for _ in range(2)] == ["reset", "measuring"]
    generator = psutil.Process(driven.process.pid)
    eventually(lambda: len(generator.net_connections()) >= 30, PATIENCE)
    assert len(generator.net_connections()) == 30


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"store": "no/such/store"}, "no/such/store could not be reset: 404"),
        ({"mix": "no"}, "there is no mix 'no': choose one of balanced"),
        ({"scenario": "no"}, "there is no scenario 'no'"),
        ({"target": "http://127.0.0.1:9"}, "could not be reset: refused"),
        ({"target": "nonsense"}, "no target: 'nonsense' is not an address"),
        ({"users": "many"}, "Expected `int | null`"),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_line(
    shared: Driven, served: Server, fields: dict[str, Any], detail: str
) -> None:
    said = shared.error(**{"target": served.url, **fields})
    assert detail in said
    assert "\n" not in said


def test_a_server_that_dies_costs_failures_not_the_cell(driven: Driven) -> None:
    with server() as doomed:
        groups = {"server": [doomed.process.pid]}
        driven.order(target=doomed.url, duration=1.5, groups=groups)
        assert [driven.next()["event"] for _ in range(2)] == ["reset", "measuring"]
        doomed.kill()
        told = driven.next()["cell"]
        assert counts(told, "refused")
        assert told["cpu_s"]["server"] is None
        assert "a process of the server ended" in told["flags"]
    assert "refused" in driven.error(target=doomed.url)


def test_a_server_that_comes_back_is_found_again(driven: Driven, tmp_path: Path) -> None:
    series = tmp_path / "series.jsonl"

    def after(outcome: str) -> set[str]:
        """The outcomes of the seconds after the first one with that outcome."""
        lines = series.read_text().splitlines() if series.exists() else []
        told = [{one["outcome"] for one in json.loads(line)["operations"]} for line in lines]
        return set[str]().union(*dropwhile(lambda seen: outcome not in seen, told))

    with server() as first:
        driven.order(target=first.url, duration=600.0, folder=str(tmp_path))
        assert [driven.next()["event"] for _ in range(2)] == ["reset", "measuring"]
        first.kill()
        eventually(lambda: "refused" in after("refused"), PATIENCE)
        with server(first.port):  # its memory is empty: what was owned is gone, then made anew
            eventually(lambda: "ok" in after("status-404"), PATIENCE)


@pytest.mark.parametrize("end", ["input", "SIGTERM", "SIGINT"])
def test_it_ends_in_the_middle_of_a_cell(driven: Driven, served: Server, end: str) -> None:
    assert driven.process.stdin is not None
    driven.order(target=served.url, duration=60.0)
    assert [driven.next()["event"] for _ in range(2)] == ["reset", "measuring"]
    if end == "input":
        driven.process.stdin.close()
        driven.process.stdin = None
    else:
        os.kill(driven.process.pid, signal.Signals[end])
    assert driven.process.wait(20) == (130 if end == "SIGINT" else 0)
