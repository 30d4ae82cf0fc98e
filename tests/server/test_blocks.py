"""Who holds the event loop, by /loop and /metrics of real servers on both kinds of loop."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.server.conftest import ENGINES, Server, serving
from tests.server.toy import Toy
from watch.blocks import BLOCK

LOOPS = ["asyncio", "uvloop"]
ID = "0" * 23 + "1"
HELD = 0.3


def with_toy(loop: str, toy: Toy) -> Any:
    environ = {
        "WINDTUNNEL_ENGINES": str(ENGINES),
        "WINDTUNNEL_LINE_URL": f"127.0.0.1:{toy.port}",
    }
    return serving("--loop", loop, **environ)


def read_slowly(server: Server, toy: Toy, mode: str, seconds: float = HELD) -> None:
    """Read with a database that takes so many seconds; the first read has connected."""
    path = f"/line/{mode}/volatile/records/{ID}"
    assert server.call("GET", path).status == 200
    while toy.asked.acquire(blocking=False):
        pass
    toy.answering.clear()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(server.call, "GET", path)
        toy.asked.acquire(timeout=20)
        time.sleep(seconds)
        toy.answering.set()
        assert reading.result(20).status == 200


def of_store(info: Any, store: str) -> list[Any]:
    return [holder for holder in info["blocks"]["by"] if holder["store"] == store]


@pytest.mark.parametrize("loop", LOOPS)
def test_a_blocking_call_is_reported_with_handler_and_store(loop: str, toy: Toy) -> None:
    with with_toy(loop, toy) as server:
        read_slowly(server, toy, "blocking")
        info = server.call("GET", "/loop").json
        metrics = server.call("GET", "/metrics").body.decode()
    holders = of_store(info, "line/blocking/volatile")
    (holder,) = [holder for holder in holders if holder["longest_ms"] >= 100]
    assert (holder["handler"], holder["operation"]) == ("RecordHandler.get", "read")
    assert holder["where"].endswith("line.Line.ask") or "server." in holder["where"]
    recent = info["recent"]
    assert recent["longest_block_ms"] >= 100
    assert info["blocks"]["count"] >= 1
    assert info["blocks"]["total_ms"] >= holder["total_ms"] >= holder["longest_ms"]
    labels = {"handler": "RecordHandler.get", "store": "line/blocking/volatile"}
    assert blocked_seconds(metrics, labels) >= 0.1


def blocked_seconds(text: str, labels: dict[str, str]) -> float:
    families = {family.name: family for family in text_string_to_metric_families(text)}
    return sum(
        sample.value
        for sample in families["windtunnel_loop_blocked_seconds"].samples
        if labels.items() <= sample.labels.items()
    )


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("mode", ["threads", "async"])
def test_a_call_that_is_waited_for_elsewhere_holds_nothing(loop: str, mode: str, toy: Toy) -> None:
    with with_toy(loop, toy) as server:
        read_slowly(server, toy, mode)
        info = server.call("GET", "/loop").json
    store = f"line/{mode}/volatile"
    assert not [h for h in of_store(info, store) if h["longest_ms"] >= HELD * 1000]


def test_a_block_without_a_sample_is_reported_by_its_request(toy: Toy) -> None:
    with with_toy("asyncio", toy) as server:
        for _ in range(10):
            read_slowly(server, toy, "blocking", seconds=BLOCK * 1.2)
        holders = of_store(server.call("GET", "/loop").json, "line/blocking/volatile")
    assert [(h["handler"], h["operation"]) for h in holders] == [("RecordHandler.get", "read")]
    assert holders[0]["count"] >= 10
