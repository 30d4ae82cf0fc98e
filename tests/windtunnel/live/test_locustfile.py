"""`locust -f locustfiles/crud.py` as a person types it, against a real server."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.windtunnel.interface import PATIENCE, Interface, free_port, locust
from tests.windtunnel.served import ROOT, Server, server

STORES = ("memory/async/volatile", "memory/blocking/volatile")


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    with server() as started:
        yield started


def headless(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        locust("--headless", "-u", 4, "-t", "2s", "--only-summary", *args),
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def rows(path: Path) -> dict[str, dict[str, str]]:
    with (path / "run_stats.csv").open() as file:
        return {row["Name"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize("more", [(), ("--processes", "2")], ids=["alone", "processes"])
def test_several_stores_are_hit_at_once_and_every_answer_is_right(
    served: Server, tmp_path: Path, more: tuple[str, ...]
) -> None:
    port = free_port()
    done = headless(
        *("--stores", *STORES, "--host", served.url, "--csv", tmp_path / "run"),
        *("--master-bind-port", port, "--master-port", port, *more),
    )
    assert done.returncode == 0, done.stderr
    rows_by_name = rows(tmp_path)
    names = {f"{store} {op}" for store in STORES for op in ("create", "read", "edit", "delete")}
    assert set(rows_by_name) == names | {"Aggregated"}
    assert all(int(row["Request Count"]) for row in rows_by_name.values())
    assert rows_by_name["Aggregated"]["Failure Count"] == "0"


def test_stores_that_get_no_user_are_named(served: Server, tmp_path: Path) -> None:
    done = headless(
        *("--stores", *STORES, "--host", served.url, "--results", "", "-u", 1),
        *("--csv", tmp_path / "run"),
    )
    assert done.returncode == 0, done.stderr
    (warning,) = [line for line in done.stderr.splitlines() if "WARNING" in line]
    assert "1 of 2 stores get no user" in warning
    (idle,) = set(STORES) - {name.partition(" ")[0] for name in rows(tmp_path)}
    assert f"nothing is sent to them: {idle}: start 2 users or more" in warning


def test_globs_and_one_operation_alone(served: Server, tmp_path: Path) -> None:
    done = headless(
        *("--stores", "memory/*", "--mix", "delete", "--host", served.url),
        *("--csv", tmp_path / "run"),
    )
    assert done.returncode == 0, done.stderr
    assert {name.split()[-1] for name in rows(tmp_path)} <= {"delete", "create", "Aggregated"}


def test_without_a_server_one_line_says_how_to_start_one() -> None:
    for more in ((), ("--processes", "2")):
        done = headless("--host", f"http://127.0.0.1:{free_port()}", *more)
        assert done.returncode == 3
        assert done.stderr.count("\n") == 1
        assert "windtunnel up" in done.stderr


@pytest.mark.parametrize(
    ("args", "option"),
    [
        ((), "--web-port"),
        (("--headless", "-t", "1s", "--processes", 2), "--master-bind-port"),
        (("--headless", "-t", "1s", "--master"), "--master-bind-port"),
    ],
)
def test_a_port_that_is_taken_is_said_in_one_line(
    served: Server, args: tuple[object, ...], option: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        at = ("--web-port", taken, "--master-bind-port", taken, "--master-port", taken)
        done = subprocess.run(
            locust("--host", served.url, "--results", "", *at, *args),
            check=False,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("\n") == 1
    assert "Address already in use: choose another port" in done.stderr
    assert option in done.stderr


@pytest.mark.parametrize(
    ("args", "code", "line"),
    [
        (("--stores", "nope/*"), 2, "no store matches 'nope/*'"),
        (("--mix", "nope"), 2, "invalid choice: 'nope'"),
        (("--target", "nope"), 2, "must be nginx, direct or an address"),
        (("--population", "1e9"), 2, "must be a whole number from 1 to 400000, not '1e9'"),
        (("-u", "1000000"), 3, "1000000 users are too many"),
        (("--stores", "memcached-*", "--mix", "find"), 3, "memcached-"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_one_line(
    served: Server, args: tuple[str, ...], code: int, line: str
) -> None:
    done = headless(*args, "--host", served.url)
    assert done.returncode == code
    errors = [line for line in done.stderr.splitlines() if "/INFO/" not in line]
    assert line in errors[-1]
    assert code == 2 or len(errors) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("more", [(), ("--processes", "2")], ids=["alone", "processes"])
def test_ctrl_c_ends_it_quietly(served: Server, more: tuple[str, ...]) -> None:
    port = free_port()
    command = locust(
        *("--headless", "-u", 4, "--stores", STORES[0], "--host", served.url, "--only-summary"),
        *("--master-bind-port", port, "--master-port", port, "-t", "60s", *more),
    )
    with subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stderr is not None
        assert any("All users spawned" in line for line in process.stderr)
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 0, rest
    assert "Shutting down" in rest
    assert "Traceback" not in rest
    assert "KeyboardInterrupt" not in rest


@pytest.fixture
def interface(served: Server, request: pytest.FixtureRequest) -> Iterator[Interface]:
    port = free_port()
    master = ("--master-bind-port", port, "--master-port", port)
    shown = Interface("--host", served.url, *master, *getattr(request, "param", ()))
    yield shown
    shown.close()


def test_the_interface_offers_the_stores_of_the_server_and_listens_here_only(
    interface: Interface,
) -> None:
    page = interface.get("/")
    match = re.search(r'"stores": (\{.*?\})', page)
    assert match
    stores = json.loads(match[1])
    assert stores["is_multiple"]
    assert set(STORES) <= set(stores["choices"])
    assert '"mix": {"choices": ["balanced"' in page
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", interface.port), timeout=5)


def test_what_is_chosen_in_the_interface_is_what_runs(interface: Interface) -> None:
    chosen: dict[str, Any] = {
        "user_count": 4, "spawn_rate": 100, "mix": "read", "target": "direct",
        "population": 100, "seed": 2, "summary_size": 10, "stores": STORES,
    }  # fmt: skip
    assert json.loads(interface.get("/swarm", **chosen))["success"]
    names = {f"{store} read" for store in STORES} | {"Aggregated"}
    stats = interface.wait_for(lambda: len((s := interface.stats())["stats"]) == 3 and s)
    assert {row["name"] for row in stats["stats"]} == names
    assert stats["fail_ratio"] == 0


ONE: dict[str, Any] = {
    "user_count": 1, "spawn_rate": 100, "mix": "read", "target": "direct", "population": 100,
    "seed": 1, "summary_size": 10, "stores": STORES[0],
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mix": "find", "stores": "memcached-pymemcache/threads/volatile"}, "memcached-pymem"),
        ({"stores": []}, "no store is chosen"),
        ({"stores": "nope/*"}, "no store matches 'nope/*'"),
        ({"mix": "nope"}, "there is no mix 'nope'"),
        ({"population": "abc"}, "population: must be a whole number from 1 to 400000, not 'abc'"),
        ({"population": -1}, "population: must be a whole number from 1 to 400000, not '-1'"),
        (
            {"population": 10**9},
            "population: must be a whole number from 1 to 400000",
        ),
        ({"seed": ""}, "seed: must be a whole number"),
        ({"user_count": 10**9}, "users: must be a whole number from 1 to 10000, not '1000000000'"),
        ({"host": "http://127.0.0.1:1"}, "start one with `windtunnel up`"),
        ({"host": "foo"}, "'foo' is not an address"),
    ],
)
def test_what_cannot_run_is_said_in_the_interface(
    interface: Interface, changed: dict[str, Any], message: str
) -> None:
    answer = json.loads(interface.get("/swarm", **{**ONE, **changed}))
    assert not answer["success"]
    assert message in answer["message"]
    assert interface.stats()["state"] == "ready"


@pytest.mark.parametrize(
    "interface", [(), ("--processes", 2)], ids=["alone", "processes"], indirect=True
)
def test_a_running_test_takes_other_users_as_it_goes_and_other_stores_anew(
    interface: Interface,
) -> None:
    def shown(store: str, users: int) -> bool:
        stats = interface.stats()
        loaded = {row["name"].partition(" ")[0] for row in stats["stats"]} - {"Aggregated"}
        return loaded == {store} and stats["user_count"] == users

    first, second = STORES
    for changed, store, users in (
        ({}, first, 1),
        ({"user_count": 3}, first, 3),
        ({"stores": second, "user_count": 2}, second, 2),
    ):
        assert json.loads(interface.get("/swarm", **{**ONE, **changed}))["success"]
        interface.wait_for(lambda s=store, u=users: shown(s, u))
    assert interface.stats()["fail_ratio"] == 0
