"""The limit of open files, in a process of its own, as it cannot be raised again here."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.windtunnel.served import ROOT, server
from windtunnel.client.client import RESERVED

CODE = """
import json, resource, sys
from windtunnel.client.client import raise_limit
soft, hard, connections = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(json.dumps([raise_limit(connections), resource.getrlimit(resource.RLIMIT_NOFILE)]))
"""


def allowed(soft: int, hard: int, connections: int) -> tuple[str | None, list[int]]:
    command = [sys.executable, "-c", CODE, *map(str, (soft, hard, connections))]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    reason, limits = json.loads(completed.stdout)
    return reason, limits


def test_the_soft_limit_goes_up_to_the_hard_one() -> None:
    assert allowed(256, 900, 900 - RESERVED) == (None, [900, 900])


def test_too_low_a_hard_limit_is_said_with_what_to_do() -> None:
    reason, limits = allowed(256, 900, 901 - RESERVED)
    assert limits == [900, 900]
    assert reason is not None
    assert "do not fit into 900 open files" in reason
    assert f"at most {900 - RESERVED} users" in reason
    assert "\n" not in reason


def test_a_locust_with_too_few_open_files_says_so() -> None:
    command = (
        "ulimit -n 500; exec $0 -m locust -f locustfiles/crud.py --headless --host $1 "
        "-u 400 -r 400 -t 1s --stores memory/async/volatile --only-summary"
    )
    with server() as served:
        completed = subprocess.run(
            ["bash", "-c", command, sys.executable, served.url],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=ROOT,
            check=False,
        )
    assert "400 connections do not fit into 500 open files" in completed.stderr
