"""Open load under `locust -f`, alone and with workers, changed while it runs."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.windtunnel.interface import Interface, free_port, locust
from tests.windtunnel.served import ROOT, Server, server

STORES = ("memory/async/volatile", "memory/blocking/volatile")
WORKERS = [(), ("--processes", "2")]


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    with server() as started:
        yield started


def apart() -> tuple[object, ...]:
    port = free_port()
    return ("--master-bind-port", port, "--master-port", port)


@pytest.mark.parametrize("more", WORKERS, ids=["alone", "workers"])
@pytest.mark.parametrize("poisson", [(), ("--poisson",)], ids=["constant", "poisson"])
def test_the_rate_is_that_of_all_workers_together(
    served: Server, tmp_path: Path, more: tuple[str, ...], poisson: tuple[str, ...]
) -> None:
    command = locust(
        *("--headless", "-u", 1, "-t", "2s", "--rate", 100, "--stores", *STORES, *more),
        *("--host", served.url, "--csv", tmp_path / "run", *apart(), *poisson),
    )
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kind = "poisson" if poisson else "constant"
    assert f"open load, 100 requests/s, {kind}: times are response times" in done.stderr
    with (tmp_path / "run_stats.csv").open() as file:
        rows = {row["Name"]: row for row in csv.DictReader(file)}
    assert {name.partition(" ")[0] for name in rows} == {*STORES, "Aggregated"}
    assert 50 < float(rows["Aggregated"]["Requests/s"]) < 150  # however late it was stopped
    assert rows["Aggregated"]["Failure Count"] == "0"


@pytest.mark.parametrize("more", WORKERS, ids=["alone", "workers"])
def test_a_rate_is_taken_up_changed_and_given_up_while_a_test_runs(
    served: Server, more: tuple[str, ...]
) -> None:
    shown = Interface("--host", served.url, *apart(), *more)
    form: dict[str, Any] = {
        "user_count": 2, "spawn_rate": 100, "mix": "balanced", "target": "direct",
        "population": 100, "seed": 1, "summary_size": 10, "stores": STORES[0],
        "max_in_flight": 50, "poisson": "false",
    }  # fmt: skip

    def last(number: int) -> list[float]:
        """How many were answered in each of the last seconds."""
        pools = json.loads(shown.get("/windtunnel/data"))["pools"]
        return pools["fast"]["rate"][-number:] if "fast" in pools else []

    def begin(rate: float) -> None:
        if more:
            shown.wait_for(lambda: len(shown.stats()["workers"]) == 2)
        assert json.loads(shown.get("/swarm", **form, rate=rate))["success"]

    try:
        assert shown.get("/load") == ""
        begin(0)
        shown.wait_for(lambda: sum(last(600)) > 100)
        assert shown.get("/load").startswith("closed load: times are service times")
        begin(10)
        assert shown.get("/load").startswith("open load, 10 requests/s, constant: times are resp")
        shown.wait_for(lambda: len(lately := last(3)) == 3 and 0 < min(lately) <= max(lately) < 25)
        begin(0)
        shown.wait_for(lambda: sum(last(3)) > 75)
        assert shown.stats()["fail_ratio"] == 0
    finally:
        shown.close()


def test_a_rate_that_is_none_is_refused(served: Server) -> None:
    command = locust("--headless", "--host", served.url, "--rate", "-1")
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "must be a number from 0 to 100000, not '-1'" in done.stderr.splitlines()[-1]
