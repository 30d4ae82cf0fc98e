"""Users that keep cookies, behind an nginx that gives each of them one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from string import Template

import pytest

from deploy.services import Workspace, obtain_all
from deploy.services.probe import http_ok
from tests.stacks import RUN, eventually
from tests.windtunnel.interface import PATIENCE, free_port, locust
from tests.windtunnel.served import ROOT, server

CONF = Template("""
daemon off;
$user
pid nginx.pid;
error_log stderr crit;
events {}
http {
  map $$cookie_seat $$seat { "" "seat=$$request_id; Path=/"; default ""; }
  log_format seat '$$connection $$request_method "$$cookie_seat" "$$seat"';
  access_log seats.log seat;
  keepalive_requests 1000000;
  client_body_temp_path body;
  proxy_temp_path proxy;
  server {
    listen 127.0.0.1:$port;
    add_header Set-Cookie $$seat always;
    location / { proxy_pass $server; proxy_pass_header Server; client_max_body_size 64m; }
  }
}
""")
USERS = 3
OWNER = "user root root;" if os.geteuid() == 0 else ""
"""Else the worker is nobody, who may not go into the folders that pytest makes."""


class Seats:
    """What nginx saw of each connection: the cookies that came, and how many it had to give."""

    def __init__(self, url: str, log: Path) -> None:
        self.url = url
        self._log = log

    def forget(self) -> None:
        self._log.write_text("")

    def connections(self) -> dict[str, tuple[list[str], int]]:
        """By connection of a user: they alone create, edit and delete."""
        lines = [line.split(maxsplit=3) for line in self._log.read_text().splitlines()]
        users = {line[0] for line in lines if line[1] in {"POST", "PATCH", "DELETE"}}
        connections: dict[str, tuple[list[str], int]] = defaultdict(lambda: ([], 0))
        for connection, _, came, given in lines:
            if connection in users:
                cookies, count = connections[connection]
                connections[connection] = ([*cookies, came.strip('"-')], count + (given != '""'))
        return connections


@pytest.fixture(scope="module")
def seats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seats]:
    programs, missing = obtain_all(Workspace(RUN), ["nginx"], print)
    assert not missing
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    with server() as behind:
        (folder / "nginx.conf").write_text(
            CONF.substitute(user=OWNER, port=port, server=behind.url)
        )
        command = [str(programs["nginx"].file), "-p", str(folder), "-c", f"{folder}/nginx.conf"]
        with subprocess.Popen(command) as process:
            try:
                eventually(lambda: http_ok(port, "/readyz"))
                yield Seats(f"http://127.0.0.1:{port}", folder / "seats.log")
            finally:
                process.terminate()


@pytest.fixture
def keeping(tmp_path: Path) -> Path:
    """A scenario whose users keep cookies without the option."""
    crud = (ROOT / "locustfiles" / "crud.py").read_text()
    begin = "class CrudUser(RecordUser):\n"
    assert begin in crud
    (tmp_path / "keeping.py").write_text(crud.replace(begin, f"{begin}    cookies = True\n\n"))
    return tmp_path / "keeping.py"


def load(seats: Seats, *more: object, file: object = "locustfiles/crud.py") -> None:
    done = subprocess.run(
        locust(
            *("--headless", "-u", USERS, "-t", "3s", "--host", seats.url, "--stores"),
            *("memory/threads/volatile", *more, "-f", file),
        ),
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr


def assert_kept(seats: Seats, least: int) -> None:
    connections = seats.connections()
    assert connections
    for cookies, given in connections.values():
        assert (cookies[0], given) == ("", 1)
        assert len(set(cookies[1:])) <= 1, "a user kept its cookie"
    own = [cookies[-1] for cookies, _ in connections.values() if len(cookies) > 1]
    assert len(set(own)) == len(own) >= least, "and nobody else's"


def test_under_open_load_each_connection_keeps_its_own(seats: Seats) -> None:
    seats.forget()
    load(seats, "--cookies", "--rate", 300)
    assert_kept(seats, 1)


def test_a_scenario_may_always_keep_them(seats: Seats, keeping: Path) -> None:
    seats.forget()
    load(seats, file=keeping)
    assert_kept(seats, USERS)


def test_otherwise_none_is_kept(seats: Seats) -> None:
    seats.forget()
    load(seats)
    connections = seats.connections()
    assert len(connections) == USERS
    assert all(set(cookies) == {""} for cookies, _ in connections.values())


def test_a_run_keeps_them_too(seats: Seats, tmp_path: Path) -> None:
    seats.forget()
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "windtunnel",
                "run",
                "crud",
                "--host",
                seats.url,
                "--cookies",
            ),
            *("--stores", "memory/threads/volatile", "--users", str(USERS), "--rounds", "1"),
            *("--duration", "0.3", "--warmup", "0.1", "--results", str(tmp_path)),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert_kept(seats, USERS)
