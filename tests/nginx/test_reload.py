"""A reload under load, through our own client's kept-alive connections."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nginx.apply import Nginx
from nginx.split import Split

PROJECT = Path(__file__).parent.parent.parent
RELOADS = 10
SECONDS = int(os.environ.get("WINDTUNNEL_RELOAD_SECONDS", "4"))
RATE, CONNECTIONS = 200, 40


def loaded(nginx: Nginx, splits: Sequence[Split]) -> dict[str, Any]:
    """Bring one split after the other into force at equal distances, under steady load."""
    told = [nginx.port, RATE, RATE * SECONDS, CONNECTIONS, len(splits)]
    command = [sys.executable, "-m", "tests.nginx.steady", *map(str, told)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as load:
        assert load.stdout
        for split in splits:
            assert load.stdout.readline().endswith(" requests\n")
            nginx.reload(split).await_active()
        found: dict[str, Any] = json.loads(load.stdout.readline())
    assert load.returncode == 0
    return found


def test_ten_reloads_under_load(nginx: Nginx, split: Split) -> None:
    fast = split.pools["fast"]
    splits = [split.with_pool("fast", replace(fast, weights=(n,))) for n in range(1, RELOADS + 1)]
    told = loaded(nginx, splits)
    print(nginx.features.version_text, told)
    outcomes = told["outcomes"]
    assert sum(outcomes.values()) == RATE * SECONDS
    if nginx.features.keepalive_min_timeout:
        assert outcomes == {"ok": RATE * SECONDS}
    else:  # an old worker closes what is idle: each connection is found closed once a reload
        assert set(outcomes) == {"ok", "stale"}
        assert outcomes["stale"] <= RELOADS * told["clients"]
    assert told["opened"] > told["clients"]  # old workers' connections were given up, all the same
