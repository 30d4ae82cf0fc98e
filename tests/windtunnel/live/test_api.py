"""The live data of a test under Locust, alone and with workers, over real sockets."""

from __future__ import annotations

import http.client
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.windtunnel.interface import PATIENCE, Interface, free_port
from tests.windtunnel.served import Server, server

STORES = ("memory/async/volatile", "memory/blocking/volatile")
PATH = "/windtunnel/data"
FORM: dict[str, Any] = {
    "user_count": 4, "spawn_rate": 100, "mix": "balanced", "target": "direct", "population": 100,
    "seed": 1, "summary_size": 10, "stores": STORES,
}  # fmt: skip


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    with server() as started:
        yield started


@pytest.fixture(params=[(), ("--processes", 2)], ids=["alone", "workers"])
def interface(served: Server, request: pytest.FixtureRequest) -> Iterator[Interface]:
    port = free_port()
    interface = Interface(
        "--host", served.url, "--master-bind-port", port, "--master-port", port, *request.param
    )
    if request.param:
        interface.wait_for(lambda: len(interface.stats()["workers"]) == 2)
    yield interface
    interface.close()


def data(interface: Interface, since: int = 0) -> dict[str, Any]:
    return dict(json.loads(interface.get(f"{PATH}?since={since}")))


def success_count(answer: dict[str, Any]) -> int:
    """How many requests the pools have answered in all seconds."""
    return sum(sum(line["rate"]) for line in answer["pools"].values())


def test_a_test_is_seen_while_it_runs(interface: Interface) -> None:
    before = data(interface)
    assert (before["state"], before["seconds"], before["pools"]) == ("ready", [], {})
    assert json.loads(interface.get("/swarm", **FORM, rate=200))["success"]
    answer = interface.wait_for(
        lambda: success_count(d := data(interface)) > 200 and len(d["seconds"]) > 1 and d
    )
    assert answer["state"] == "running"
    assert answer["load"].startswith("open load, 200 requests/s")
    assert set(answer["pools"]) == {"fast"}
    assert set(answer["stores"]) == set(STORES)
    for line in (*answer["pools"].values(), *answer["stores"].values()):
        for name in ("rate", "failures", "in_flight"):
            assert len(line[name]) == len(answer["seconds"])
        for latency in ("service", "response"):
            assert set(line[latency]) == {"p50", "p99", "p999"}
            assert len(line[latency]["p50"]) == len(answer["seconds"])
            assert any(line[latency]["p50"])
    sent = [sum(answer["stores"][store]["rate"]) for store in STORES]
    assert success_count(answer) == sum(sent)
    window = answer["window"]["stores"][STORES[0]]
    assert window["rate"] > 0
    assert window["failures"] == 0
    assert window["response"]["p50"] >= window["service"]["p50"] > 0

    last = answer["seconds"][-1]
    later = interface.wait_for(lambda: (d := data(interface, last))["seconds"] and d)
    assert min(later["seconds"]) > last
    assert json.loads(interface.get("/swarm", **FORM, rate=0))["success"]
    interface.wait_for(lambda: data(interface)["load"].startswith("closed load"))
    interface.get("/stop", stop=1)
    interface.wait_for(lambda: data(interface)["state"] == "stopped")


def test_what_a_server_keeps_waiting_is_in_flight(served: Server) -> None:
    interface = Interface("--host", served.url)
    form = {**FORM, "stores": STORES[0], "rate": 50}
    try:
        assert json.loads(interface.get("/swarm", **form))["success"]
        interface.wait_for(lambda: data(interface)["window"]["pools"].get("fast", {}).get("rate"))
        served.process.send_signal(signal.SIGSTOP)
        try:
            interface.wait_for(lambda: max(data(interface)["pools"]["fast"]["in_flight"]) > 30)
        finally:
            served.process.send_signal(signal.SIGCONT)
        answer = interface.wait_for(
            lambda: (d := data(interface))["pools"]["fast"]["in_flight"][-1] < 10 and d
        )
        (process,) = answer["processes"].values()
        assert process["pool"] == "fast"
        assert len(process["busy"]) == len(answer["seconds"])
    finally:
        interface.close()


GUARDED = """
from locust import events
from flask_login import UserMixin
from locustfiles.crud import CrudUser

@events.init.add_listener
def guard(environment, **_):
    environment.web_ui.app.config["SECRET_KEY"] = "of a test"
    environment.web_ui.login_manager.user_loader(lambda _: None)
"""


def test_a_login_is_honoured(served: Server, tmp_path: Path) -> None:
    (tmp_path / "guarded.py").write_text(GUARDED)
    interface = Interface("--host", served.url, "--web-login", "-f", tmp_path / "guarded.py")
    try:
        connection = http.client.HTTPConnection("127.0.0.1", interface.port, timeout=PATIENCE)
        connection.request("GET", PATH)
        answer = connection.getresponse()
        assert answer.status == 302
        assert "/login" in str(answer.getheader("Location"))
        connection.close()
    finally:
        interface.close()
