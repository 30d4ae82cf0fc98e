"""A real nginx before real Tornado processes."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from nginx.apply import ApplyError, Nginx
from nginx.features import Features, features
from nginx.render import render
from nginx.split import Balance, Pool, Split
from server.settings import REQUEST_ID
from tests.nginx.asking import RECORDS, ask, served_by
from tests.stacks import eventually, free_ports, half_sent

RECORD = {"topic": "t", "when": "2026-01-01T00:00:00Z", "duration": 1.0, "tags": []}


def test_a_prefix_goes_to_its_pool(nginx: Nginx) -> None:
    query = f"{RECORDS}?min_duration=0"
    assert ask(nginx, "/ping")[1]["x-pool"] == "fast"
    assert ask(nginx, query)[1]["x-pool"] == "fast"
    assert ask(nginx, f"/slow{query}")[1]["x-pool"] == "slow"


@pytest.mark.parametrize(
    "request_id",
    ["a", "A-z_0.9:/+=@~", "x" * 64, "x" * 65, "two words", "<script>", "a,b", "a;b", 'a"b', ""],
)
def test_nginx_keeps_the_request_ids_that_a_process_keeps(nginx: Nginx, request_id: str) -> None:
    is_kept = re.fullmatch(REQUEST_ID, request_id) is not None
    headers = ask(nginx, "/ping", X_Request_Id=request_id)[1]
    assert (headers["x-request-id"] == request_id) is is_kept
    assert headers["x-request-id"]


def test_a_request_id_is_passed_on_or_made(nginx: Nginx) -> None:
    assert ask(nginx, "/ping", X_Request_Id="mine-1")[1]["x-request-id"] == "mine-1"
    made = {ask(nginx, "/ping")[1]["x-request-id"] for _ in range(3)}
    assert len(made) == 3
    assert all(made)


def test_the_access_log_joins_a_request_to_its_process(
    nginx: Nginx, servers: tuple[int, int]
) -> None:
    ask(nginx, f"/slow{RECORDS}?min_duration=0", X_Request_Id="joined")
    log = nginx.folder / "access.log"
    eventually(lambda: "joined" in log.read_text())
    (line,) = [json.loads(one) for one in log.read_text().splitlines() if "joined" in one]
    assert (line["pool"], line["status"]) == ("slow", 200)
    assert line["upstream"] == f"127.0.0.1:{servers[1]}"
    assert float(line["upstream_response"]) >= 0


def test_a_dead_pool_stays_a_failure(nginx: Nginx, split: Split) -> None:
    (nobody,) = free_ports(1)
    nginx.apply(split.with_ports("slow", (nobody,)))
    status, headers, body = ask(nginx, f"/slow{RECORDS}?min_duration=0", X_Request_Id="dead")
    assert (status, headers["content-type"]) == (502, "application/problem+json")
    assert headers["x-request-id"] == "dead"
    assert json.loads(body)["status"] == 502


def test_no_request_is_tried_twice(nginx: Nginx, split: Split, servers: tuple[int, int]) -> None:
    (nobody,) = free_ports(1)
    nginx.apply(split.with_ports("fast", (servers[0], nobody)))
    statuses = [ask(nginx, "/ping")[0] for _ in range(8)]
    assert sorted(statuses) == [200] * 4 + [502] * 4


def test_a_large_population_passes_and_a_larger_one_does_not(nginx: Nginx) -> None:
    records = json.dumps([RECORD | {"topic": "x" * 10_000}] * 300).encode()
    headers = {"Content_Type": "application/json"}
    assert ask(nginx, RECORDS, "PUT", records, **headers)[0] == 200
    with closing(http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=30)) as link:
        link.putrequest("PUT", RECORDS)
        link.putheader("Content-Length", str((64 << 20) + 1))
        link.endheaders()
        answer = link.getresponse()
        assert (answer.status, json.loads(answer.read())["status"]) == (413, 413)


def test_apply_returns_when_only_the_new_split_serves(
    nginx: Nginx, split: Split, servers: tuple[int, int]
) -> None:
    slow = servers[1]
    master = nginx.master()
    assert master is not None
    before = {worker.pid for worker in master.children()}
    nginx.apply(split.with_ports("fast", (slow,)))
    assert not before & {worker.pid for worker in master.children()}
    assert {served_by(nginx) for _ in range(5)} == {slow}
    told = nginx.active_split()
    assert told is not None
    assert told["pools"]["fast"]["processes"] == [{"port": slow, "weight": 1}]  # type: ignore[index]


def test_weights_and_balance_reach_nginx(
    nginx: Nginx, split: Split, servers: tuple[int, int]
) -> None:
    pool = Pool(servers, Balance.ROUND_ROBIN, (3, 1))
    nginx.apply(split.with_pool("fast", pool))
    ports = [served_by(nginx) for _ in range(40)]
    assert [ports.count(port) for port in servers] == [30, 10]


@pytest.mark.parametrize("balance", list(Balance))
def test_nginx_takes_every_balance(nginx: Nginx, split: Split, balance: Balance) -> None:
    nginx.apply(split.with_pool("fast", replace(split.pools["fast"], balance=balance)))
    assert ask(nginx, "/ping")[0] == 200


def test_a_refused_split_leaves_the_old_one_in_force(nginx: Nginx, split: Split) -> None:
    before = nginx.generation()
    with pytest.raises(ApplyError, match="nginx refuses") as refused:
        nginx.apply(split.with_ports("fast", (70_000,)))
    assert "\n" not in str(refused.value)
    assert nginx.generation() == before
    assert ask(nginx, "/ping")[0] == 200


def test_an_old_worker_with_a_request_under_way_is_waited_for(nginx: Nginx, split: Split) -> None:
    other = split.with_pool("fast", replace(split.pools["fast"], weights=(2,)))
    with half_sent(nginx.port, 1) as answered:
        with pytest.raises(ApplyError, match="old nginx workers"):
            nginx.apply(other, timeout=1)
        assert answered() == [200]


def test_apply_without_an_nginx(binary: str, split: Split, tmp_path: Path) -> None:
    with pytest.raises(ApplyError, match="windtunnel up"):
        Nginx(binary, tmp_path, free_ports(1)[0]).apply(split)


def test_an_old_nginx_gets_no_directive_that_it_lacks(split: Split, tmp_path: Path) -> None:
    old, new = (
        render(split, port=1, folder=tmp_path, features=Features(version)).text
        for version in ((1, 22, 1), (1, 27, 4))
    )
    assert "keepalive_min_timeout 5s;" in new
    assert "keepalive_min_timeout 5s;" not in old


def test_what_is_no_nginx_is_told() -> None:
    with pytest.raises(ValueError, match="nginx"):
        features(shutil.which("true") or "/bin/true")
    with pytest.raises(OSError, match="nowhere"):
        features("/nowhere/nginx")


def test_features_are_what_the_binary_says(binary: str) -> None:
    told = subprocess.run([binary, "-v"], capture_output=True, text=True, check=True).stderr
    assert features(binary).version_text in told
