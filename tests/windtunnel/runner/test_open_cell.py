"""Open load, bystanders and the files of a cell, by a generator process on a real server."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hdrh.histogram import HdrHistogram

from tests.windtunnel.driven import STORE, Driven, driven_once
from tests.windtunnel.served import Server, server
from windtunnel.recording.results import Cell


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    with server() as started:
        yield started


@pytest.fixture(scope="module")
def shared() -> Iterator[Driven]:
    yield from driven_once()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_every_intended_request_is_counted_with_both_latencies(
    shared: Driven, served: Server, arrivals: str
) -> None:
    told = shared.cell(target=served.url, rate=100, users=0, arrivals=arrivals, duration=0.5)
    assert told["users"] is None
    assert told["rate"] == 100
    counted = sum(entry["count"] for entry in told["operations"])
    assert counted + told["skipped"] == told["intended"]
    assert told["intended"] == 50 if arrivals == "constant" else told["intended"]
    assert {entry["outcome"] for entry in told["operations"]} == {"ok"}
    for entry in told["operations"]:
        for times in (entry["service_us"], entry["response_us"]):
            assert HdrHistogram.decode(times["histogram"]).get_total_count() == entry["count"]
        assert entry["response_us"]["max"] >= entry["service_us"]["max"] * 0.998
    assert told["late"] <= told["intended"]
    assert told["health"]["schedule_lag_p99_ms"] >= 0
    msgspec.convert({**told, "target": "direct"}, Cell)


def test_closed_users_intend_nothing(shared: Driven, served: Server) -> None:
    told = shared.cell(target=served.url)
    assert all(entry["response_us"] is None for entry in told["operations"])
    assert [told[name] for name in ("rate", "intended", "late", "skipped")] == [None] * 4
    assert (told["stale"], told["retried"]) == (0, 0)
    assert told["health"]["schedule_lag_p99_ms"] is None


@pytest.mark.parametrize("load", [{"users": 4}, {"users": 0, "rate": 50}])
def test_every_process_is_pinged_beside_the_load(
    shared: Driven, served: Server, load: dict[str, int]
) -> None:
    told = shared.cell(
        target=served.url, bystanders=[served.url] * 2, bystander_rate=50, duration=0.4, **load
    )
    for one in told["bystander"]:
        assert one["process"] == f"127.0.0.1:{served.port}"
        assert one["intended"] in (20, 21)  # closed users end when they were told to, and do it
        assert one["failed"] == 0
        histogram = HdrHistogram.decode(one["response_us"]["histogram"])
        assert histogram.get_total_count() == one["intended"]


@pytest.mark.parametrize("mix", ["write-heavy", "find-heavy", "delete"])
def test_open_load_checks_every_answer_too(shared: Driven, served: Server, mix: str) -> None:
    told = shared.cell(target=served.url, mix=mix, users=0, rate=200, population=20)
    assert {entry["outcome"] for entry in told["operations"]} == {"ok"}


def test_what_stands_still_is_skipped_beyond_the_bound(shared: Driven) -> None:
    with server() as doomed:
        shared.order(target=doomed.url, users=0, rate=200, max_in_flight=5, duration=1.0)
        assert [shared.next()["event"] for _ in range(2)] == ["reset", "measuring"]
        doomed.kill()
        told = shared.next()["cell"]
    assert told["intended"] == 200
    counted = sum(entry["count"] for entry in told["operations"])
    assert counted + told["skipped"] == 200
    assert {entry["outcome"] for entry in told["operations"]} >= {"refused"}


def test_seconds_add_up_to_the_cell(shared: Driven, served: Server, tmp_path: Path) -> None:
    told = shared.cell(
        target=served.url, users=0, rate=100, duration=1.5, folder=str(tmp_path), variant="base"
    )
    seconds = lines(tmp_path / "series.jsonl")
    assert [line["second"] for line in seconds] == list(range(len(seconds)))
    assert len(seconds) >= 2  # more where the last answers are late
    facts = {"store": STORE, "variant": "base", "mix": "balanced", "round": 1, "rate": 100}
    assert all(facts.items() <= line.items() for line in seconds)
    summed: Counter[str] = Counter()
    for line in seconds:
        for entry in line["operations"]:
            assert set(entry["response_us"]) == set(entry["service_us"]) == {"p50", "p99", "max"}
            summed[entry["operation"]] += entry["count"]
    assert summed == {entry["operation"]: entry["count"] for entry in told["operations"]}
    assert not (tmp_path / "partial.jsonl").exists()


@pytest.mark.parametrize("load", [{"users": 4}, {"users": 0, "rate": 100}])
def test_some_requests_of_every_second_are_told_whole(
    shared: Driven, served: Server, tmp_path: Path, load: dict[str, int]
) -> None:
    told = shared.cell(target=served.url, duration=1.5, folder=str(tmp_path), sample=8, **load)
    sampled = lines(tmp_path / "samples.jsonl")
    seconds = [line["operations"] for line in lines(tmp_path / "series.jsonl")]
    assert len(sampled) == sum(min(8, sum(one["count"] for one in each)) for each in seconds) > 8
    assert len({line["request_id"] for line in sampled}) == len(sampled)
    for line in sampled:
        assert (line["store"], line["rate"]) == (STORE, told["rate"])
        whole = line["response_us"] or line["service_us"]
        parts = line["parts_us"]
        assert sum(us or 0 for us in parts.values()) == pytest.approx(whole, abs=5)
        assert parts["handler"] > 0


def test_a_killed_cell_is_readable(served: Server, tmp_path: Path) -> None:
    doomed = Driven()
    doomed.order(target=served.url, users=0, rate=50, duration=60, folder=str(tmp_path))
    partial = tmp_path / "partial.jsonl"
    until = time.monotonic() + 60
    while not partial.exists() and time.monotonic() < until:
        time.sleep(0.1)
    doomed.process.kill()
    doomed.process.communicate()
    (line,) = lines(partial)
    cell = msgspec.convert({**line, "target": "direct"}, Cell)
    assert cell.flags[0] == "incomplete: not finished when this was written"
    assert sum(entry.count for entry in cell.operations) >= 50
    assert cell.intended is not None
    assert cell.intended >= 50
    assert None not in (cell.late, cell.skipped, cell.stale, cell.retried)
    assert lines(tmp_path / "series.jsonl")


def test_a_folder_that_cannot_be_written_costs_the_series_only(
    shared: Driven, served: Server
) -> None:
    told = shared.cell(target=served.url, folder="/proc/nowhere")
    assert told["operations"]
    assert [flag for flag in told["flags"] if flag.startswith("no series: ")]


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"rate": 0}, "a rate must be greater than 0"),
        ({"rate": 5, "arrivals": "random"}, "Invalid enum value 'random'"),
        ({"users": 0}, "a cell needs users or a rate"),
        ({"bystanders": ["nonsense"]}, "no bystander: 'nonsense' is not an address"),
    ],
)
def test_what_cannot_be_sent_is_said_in_a_line(
    shared: Driven, served: Server, fields: dict[str, Any], detail: str
) -> None:
    said = shared.error(**{"target": served.url, **fields})
    assert detail in said
    assert "\n" not in said
