"""Fast and slow requests at rates of their own: in cells, and under `locust -f`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.windtunnel.driven import Driven, counts, driven_once
from tests.windtunnel.interface import Interface, free_port, locust
from tests.windtunnel.served import ROOT, Server, server
from windtunnel.analysis.analyse import analyse
from windtunnel.analysis.grouping import group_cells
from windtunnel.analysis.keys import OperationKey, StoreKey
from windtunnel.analysis.summary import Summary
from windtunnel.cli import main
from windtunnel.recording import results, series
from windtunnel.recording.results import Cell, OperationResult, Run, RunInfo, StreamResult

POOLS = "locustfiles/pools.py"
STORE = "memory/async/volatile"
FAST = {"create", "read", "edit", "delete"}


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    with server() as started:
        yield started


@pytest.fixture(scope="module")
def shared() -> Iterator[Driven]:
    yield from driven_once()


ORDER: dict[str, Any] = {"scenario": "pools", "users": 0, "rate": 60, "slow_rate": 20}


@pytest.mark.parametrize(
    ("work", "asked", "told"),
    [
        ({"sleep_ms": 2}, "sleep", "sleep of 2 ms"),
        (
            {"slow_work": "summary", "summary_size": 200},
            "summary",
            "summary of memory/blocking/volatile",
        ),
    ],
)
def test_each_stream_of_a_cell_has_a_rate_and_counts_of_its_own(
    shared: Driven, served: Server, work: dict[str, Any], asked: str, told: str
) -> None:
    cell = shared.cell(target=served.url, duration=1.0, **ORDER, **work)
    found = msgspec.convert({**cell, "target": "direct"}, Cell)
    assert set(counts(cell)) == FAST | {asked}
    assert {entry.outcome for entry in found.operations} == {"ok"}
    fast, slow = found.streams["fast"], found.streams["slow"]
    assert (fast.rate, fast.intended, fast.work) == (60, 60, "balanced mix")
    assert (slow.rate, slow.intended, slow.work) == (20, 20, told)
    assert (set(fast.operations), slow.operations) == (FAST, [asked])
    assert found.intended == 80
    assert counts(cell)[asked] + (slow.skipped or 0) == 20
    assert sum(counts(cell)[name] for name in FAST) + (fast.skipped or 0) == 60


def test_a_rate_of_none_sends_none(shared: Driven, served: Server) -> None:
    cell = shared.cell(target=served.url, **{**ORDER, "slow_rate": 0})
    assert set(counts(cell)) <= FAST
    assert cell["streams"]["slow"]["intended"] == 0


def test_slow_requests_that_stand_still_cost_fast_ones_no_place(
    shared: Driven, served: Server
) -> None:
    order = {**ORDER, "rate": 20, "slow_rate": 200, "max_in_flight": 4, "sleep_ms": 20}
    cell = shared.cell(target=served.url, duration=1.0, **order)
    assert cell["streams"]["slow"]["skipped"] > 0
    assert cell["skipped"] == sum(one["skipped"] for one in cell["streams"].values())


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"rate": None, "users": 4}, "no rate is given for fast: pools needs one"),
        ({"slow_rate": None}, "no rate is given for slow: pools needs one"),
        ({"slow_rate": -1}, "a slow rate must be 0 or more"),
        ({"sleep_ms": 0}, "Expected `int` >= 1"),
        ({"sleep_ms": 10_001}, "Expected `int` <= 10000"),
        ({"slow_work": "nap"}, "Invalid enum value 'nap'"),
        (
            {"slow_work": "summary", "slow_store": "no/blocking/safe"},
            "no/blocking/safe could not be reset: 404",
        ),
    ],
)
def test_what_cannot_be_sent_is_said_in_a_line(
    shared: Driven, served: Server, fields: dict[str, Any], detail: str
) -> None:
    said = shared.error(**{"target": served.url, **ORDER, **fields})
    assert detail in said
    assert "\n" not in said


# -- under locust -------------------------------------------------------------------------------


def apart() -> tuple[object, ...]:
    port = free_port()
    return ("--master-bind-port", port, "--master-port", port)


def headless(served: Server, *more: object) -> subprocess.CompletedProcess[str]:
    command = locust(
        *("--headless", "-u", 1, "-t", "2s", "--host", served.url, "--only-summary"),
        *(*apart(), *more),
        file=POOLS,
    )
    return subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("more", [(), ("--processes", "2")], ids=["alone", "workers"])
def test_both_kinds_are_sent_and_kept(
    served: Server, tmp_path: Path, more: tuple[str, ...]
) -> None:
    rates = ("--fast-rate", 60, "--slow-rate", 10, "--sleep-ms", 3)
    done = headless(served, "--stores", STORE, "--results", tmp_path, *rates, *more)
    assert done.returncode == 0, done.stderr
    assert "open load, fast 60 and slow 10 requests/s, constant: times are resp" in done.stderr
    assert "3 ms sleep" in done.stderr
    (folder,) = tmp_path.glob("*-pools")
    run = results.load(folder)
    (cell,) = run.cells
    found: Counter[str] = Counter()
    for entry in cell.operations:
        assert (entry.pool, entry.outcome) == ("fast", "ok")
        found[entry.operation] += entry.count
    assert set(found) == FAST | {"sleep"}
    assert sum(found.values()) > 5 * found["sleep"] > 0
    assert (cell.rate, cell.streams["slow"].rate) == (60, 10)
    assert cell.streams["slow"].work == "sleep of 3 ms"
    told = [one.intended or 0 for one in cell.streams.values()]
    assert sum(told) == cell.intended
    assert told[0] > told[1] >= found["sleep"]
    assert run.info.settings["rates"] == {"fast": 60, "slow": 10}


@pytest.mark.parametrize(
    ("args", "code", "line"),
    [
        (("--slow-rate", "-1"), 2, "must be a number from 0 to 100000, not '-1'"),
        (
            ("--slow-work", "summary", "--stores", "memcached-aiomcache/async/volatile"),
            3,
            "memcached-aiomcache/async/volatile: ",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_said_in_a_line(
    served: Server, args: tuple[str, ...], code: int, line: str
) -> None:
    done = headless(served, *args)
    assert done.returncode == code
    said = [one for one in done.stderr.splitlines() if "/INFO/" not in one]
    assert line in said[-1]
    assert "Traceback" not in done.stderr


def test_both_rates_are_changed_while_it_runs(served: Server) -> None:
    shown = Interface("--host", served.url, *apart(), "--processes", 2, file=POOLS)
    form: dict[str, Any] = {
        "user_count": 1, "spawn_rate": 100, "mix": "read", "target": "direct", "stores": STORE,
        "population": 100, "seed": 1, "summary_size": 10, "max_in_flight": 50, "poisson": "false",
        "slow_work": "sleep", "sleep_ms": 1,
    }  # fmt: skip

    def sent() -> Counter[str]:
        rows = shown.stats()["stats"]
        return Counter({row["name"].split()[-1]: row["num_requests"] for row in rows})

    def begin(fast: float, slow: float) -> None:
        answer = json.loads(shown.get("/swarm", **form, fast_rate=fast, slow_rate=slow))
        assert answer["success"], answer
        told = f"open load, fast {fast:g} and slow {slow:g} requests/s"
        assert shown.get("/load").startswith(told)

    def grows(*names: str) -> None:
        before = sent()
        shown.wait_for(lambda: all(sent()[name] > before[name] + 5 for name in names))

    try:
        shown.wait_for(lambda: len(shown.stats()["workers"]) == 2)
        begin(50, 0)
        grows("read")
        assert sent()["sleep"] == 0
        begin(50, 20)
        grows("read", "sleep")
        begin(0, 20)
        grows("sleep")
        settled = sent()["read"]
        grows("sleep")
        assert sent()["read"] <= settled + 250, "5 s of what was sent before are told late"
        wrong = json.loads(shown.get("/swarm", **form, fast_rate=1, slow_rate="many"))
        assert not wrong["success"]
        assert wrong["message"].startswith("slow rate: must be a number")
        odd = json.loads(shown.get("/swarm", **{**form, "slow_work": "nap"}, fast_rate=1))
        assert odd["message"] == "there is no slow work 'nap': choose sleep, summary"
        assert shown.stats()["fail_ratio"] == 0
    finally:
        shown.close()


# -- windtunnel run -----------------------------------------------------------------------------


def run(served: Server, into: Path, *more: object) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable, "-m", "windtunnel", "run", "pools", "--host", served.url, "--results", into,
        "--stores", STORE, "--rounds", 1, "--duration", 1, "--warmup", 0.1, *more,
    ]  # fmt: skip
    return subprocess.run(
        list(map(str, command)), check=False, cwd=ROOT, capture_output=True, text=True
    )


def test_a_run_tells_each_kind_of_request_by_its_pool(served: Server, tmp_path: Path) -> None:
    more = ("--rate", 50, "--slow-rate", "0,10", "--sleep-ms", 2)
    done = run(served, tmp_path, *more)
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.iterdir()
    cells = results.load(folder).cells
    clean = [cell.streams["slow"].rate for cell in cells if cell.void is None]
    assert sorted(clean) == [0, 10]
    for cell in cells:
        assert cell.rate == cell.streams["fast"].rate == 50
        assert {one.pool for one in cell.bystander} == {"fast"}
    found = summary(folder)
    subjects = [table.subject for table in found.tables]
    assert {"fast requests", "slow requests"} <= set(subjects)
    assert {"read", "sleep"} <= set(subjects)
    beside = {table.load.beside for table in found.tables}
    assert beside == {"0/s slow (sleep of 2 ms)", "10/s slow (sleep of 2 ms)"}
    told = {(cell.slow_rate, cell.attempt) for cell in cells}
    assert {(one.slow_rate, one.attempt) for one in series.seconds(folder, [])} == told
    assert {(one.slow_rate, one.attempt) for one in series.samples(folder, [])} == told
    assert {rate for rate, _ in told} == {0, 10}


def summary(folder: Path) -> Summary:
    return analyse(results.load(folder)).summary


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("--users", 4), "pools is open load: give rates instead of --users"),
        (("--slow-rate", "many"), "'--slow-rate': must be a number from 0 to 100000, not 'many'"),
        (("--slow-work", "nap"), "'--slow-work': 'nap': choose from sleep, summary"),
    ],
)
def test_wrong_usage_of_a_run_is_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[object, ...], line: str
) -> None:
    given = ["run", "pools", "--results", str(tmp_path), *map(str, more)]
    assert main.run(given) == 2
    assert line in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_a_stream_skips_is_lost_by_it_alone() -> None:
    def answered(operation: str, count: int) -> OperationResult:
        return OperationResult(operation=operation, count=count)

    cell = Cell(
        store=STORE, mix="read", round=1, rate=90, seconds=1, throughput_rps=100,
        operations=[answered("read", 90), answered("sleep", 4)], intended=110, skipped=16,
        streams={
            "fast": StreamResult(rate=90, work="read", operations=["read"], intended=90, skipped=0),
            "slow": StreamResult(rate=20, work="", operations=["sleep"], intended=20, skipped=16),
        },
    )  # fmt: skip
    info = RunInfo(scenario="slow", started=datetime.now(UTC), seed=1)
    (group,) = group_cells(Run(path=Path("made"), info=info, cells=[cell], damaged=[]))
    store = group.stores[StoreKey(STORE)]
    assert {key: part.unanswered for key, part in store.operations.items()} == {
        OperationKey("read"): 0,
        OperationKey("sleep"): 16,
    }
    assert {name: part.unanswered for name, part in store.streams.items()} == {
        "fast": 0,
        "slow": 16,
    }
