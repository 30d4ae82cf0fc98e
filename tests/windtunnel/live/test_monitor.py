"""What is seen beside a test: processes that come, go, block and die, and whose CPU time it was."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import gevent
import pytest

from tests.windtunnel.served import Server, server
from windtunnel.live.monitor import Monitor
from windtunnel.live.server_probe import ProcessSecond
from windtunnel.recording.cpu import CpuMeter, groups

PATIENCE = 120


def wait_for(condition: Callable[[], Any]) -> Any:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if result := condition():
            return result
        gevent.sleep(0.05)
    raise AssertionError("it did not come to pass")


class FakeNginx:
    """Answers `GET /split` as nginx does; `ports` is what it holds, None that it is down."""

    def __init__(self) -> None:
        self.ports: dict[str, list[str]] = {}
        nginx = self

        class SplitHandler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                pools = {
                    name: {"processes": [{"port": int(port), "weight": 1} for port in ports]}
                    for name, ports in nginx.ports.items()
                }
                body = json.dumps({"generation": "1", "pools": pools}).encode()
                self.send_response(200 if nginx.ports else 502)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), SplitHandler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def nginx() -> Iterator[FakeNginx]:
    made = FakeNginx()
    yield made
    made.close()


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    with ExitStack() as stack:
        yield stack.enter_context(server()), stack.enter_context(server())


@pytest.fixture
def monitor(nginx: FakeNginx, servers: tuple[Server, Server]) -> Iterator[Monitor]:
    nginx.ports = {"fast": [servers[0].port]}
    made = Monitor(nginx.url)
    yield made
    made.stop()


def pools(monitor: Monitor) -> dict[str | None, set[str]]:
    by_pool: dict[str | None, set[str]] = {}
    for probe in monitor.active_probes:
        by_pool.setdefault(probe.pool, set()).add(probe.name.rpartition(":")[2])
    return by_pool


def is_complete(second: ProcessSecond) -> bool:
    """Whether all is known of it; between two looks there may be no tick of the loop's timer."""
    return None not in (second.connections, second.lag_p99_ms, second.bystander_p99_ms)


def test_the_split_is_followed_and_dead_processes_are_survived(
    monitor: Monitor, nginx: FakeNginx, servers: tuple[Server, Server]
) -> None:
    first, second = servers
    wait_for(lambda: pools(monitor) == {"fast": {first.port}})
    (probe,) = monitor.active_probes
    wait_for(lambda: any(map(is_complete, probe.seconds.values())))
    assert probe.busy() is not None
    assert probe.pid == first.process.pid

    nginx.ports = {"fast": [first.port], "slow": [second.port]}
    wait_for(lambda: pools(monitor) == {"fast": {first.port}, "slow": {second.port}})
    nginx.ports = {}
    second.kill()
    other = next(probe for probe in monitor.active_probes if probe.pool == "slow")
    wait_for(lambda: other.bystander.result().failed > 3 and other.busy() is None)
    assert len(monitor.active_probes) == 2  # as long as nobody says otherwise
    nginx.ports = {"slow": [first.port]}
    wait_for(lambda: pools(monitor) == {"slow": {first.port}})
    assert not other.is_active
    assert probe.busy() is not None

    monitor.drain()
    cell = monitor.surroundings(last=True)
    assert [ping.process.rpartition(":")[2] for ping in cell.bystander] == [
        first.port,
        second.port,
    ]
    assert cell.bystander[0].failed == 0
    assert cell.steal is not None
    assert 0 <= cell.steal <= 1


def test_what_a_process_refused_while_it_went_is_no_failure(
    monitor: Monitor, nginx: FakeNginx, servers: tuple[Server, Server]
) -> None:
    first, second = servers
    nginx.ports = {"fast": [first.port, second.port]}
    wait_for(lambda: len(monitor.active_probes) == 2)
    wait_for(lambda: all(probe.bystander.result().intended > 30 for probe in monitor.active_probes))
    nginx.ports = {"fast": [first.port]}
    second.process.terminate()
    second.process.wait(PATIENCE)
    wait_for(lambda: len(monitor.active_probes) == 1)
    stopped = next(probe for probe in monitor.probes.values() if not probe.is_active)
    assert stopped.bystander.result().intended > 0
    assert stopped.bystander.result().failed <= 2  # what was under way as it was last asked


def test_cpu_time_of_a_server_and_of_whom_it_talks_to_is_found(
    servers: tuple[Server, Server],
) -> None:
    pids = [probe.process.pid for probe in servers]
    pid_groups = groups(pids, int(servers[1].port))
    assert pid_groups == {"server": sorted(pids), "nginx": [servers[1].process.pid], "database": []}
    cpu_meter = CpuMeter()
    cpu_meter.update(pid_groups)
    before = cpu_meter.seconds()
    assert before == {"server": 0, "nginx": 0, "database": 0}
    servers[0].kill()
    cpu_meter.update({**pid_groups, "database": [os.getpid()]})
    cpu_meter.update({**pid_groups, "database": [os.getpid()]})
    after = cpu_meter.seconds()
    assert after["database"] > 0
    assert after["server"] >= 0
