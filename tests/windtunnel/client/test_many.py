"""Ten thousand users, or as many as this machine lets a process have, against a real nginx."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.fixed_nginx import PATH, fixed_nginx
from deploy.services import UnavailableError
from windtunnel.client.client import RESERVED

USERS = 10_000
ROUNDS = 3

CODE = f"""
import sys
import gevent
from windtunnel.client import client
from windtunnel.client.address import Address
from windtunnel.client.client import Client
from windtunnel.client.deadlines import Deadlines

url, users = sys.argv[1], int(sys.argv[2])
reason = client.raise_limit(users)
assert reason is None, reason
address, deadlines = Address(url), Deadlines(60)
outcomes = []

def ask(client):
    for _ in range({ROUNDS}):
        response = client.request("GET", "{PATH}")
        if response.status != 200:
            outcomes.append(response.outcome)

clients = [Client(address, deadlines) for _ in range(users)]
gevent.joinall([gevent.spawn(ask, client) for client in clients], timeout=120, raise_error=True)
assert not outcomes, set(outcomes)
assert all(client.connections == 1 for client in clients)
print("done")
"""


def affordable() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return USERS if hard == resource.RLIM_INFINITY else min(USERS, hard * 3 // 4 - RESERVED)


def test_each_user_keeps_one_connection_as_the_server_counts() -> None:
    users = affordable()
    assert users > 1024, "select() would do: raise the hard limit of open files"
    command = [sys.executable, "-c", CODE]
    try:
        with fixed_nginx() as nginx:
            completed = subprocess.run(
                [*command, nginx.url, str(users)],
                capture_output=True,
                text=True,
                timeout=180,
                cwd=Path(__file__).parents[3],
                check=False,
            )
            assert completed.stdout == "done\n", completed.stderr[-2000:]
            assert nginx.connections() == users
    except UnavailableError as reason:
        pytest.skip(str(reason))
