"""nginx's part of samples, on a stack of the test's own: under Locust, and of an ended run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.lifecycle import ensure_up
from deploy.services import Workspace
from deploy.stack import Stack
from tests.stacks import eventually, own_workspace
from tests.windtunnel.interface import PATIENCE, locust
from tests.windtunnel.served import ROOT
from windtunnel.recording.series import SampledRequest, samples

STORE = "sqlite/async/fast"
LONG = ("--slow-rate", 20, "--sleep-ms", 20)
"""Sleeps that take longer than it takes for nginx's clock to tick."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with own_workspace() as workspace:
        yield ensure_up([], 1, 1, workspace=workspace)


def at(workspace: Workspace) -> dict[str, str]:
    return {"WINDTUNNEL_FOLDER": str(workspace.root), "WINDTUNNEL_OFFSET": str(workspace.offset)}


def slept(into: Path) -> list[SampledRequest]:
    (folder,) = into.iterdir()
    return [sample for sample in samples(folder, []) if sample.operation == "sleep"]


@pytest.mark.parametrize("workers", [(), ("--processes", 2)], ids=["alone", "workers"])
def test_a_test_under_locust_knows_nginxs_part(
    stack: Stack, tmp_path: Path, workers: tuple[object, ...]
) -> None:
    command = locust(
        *("--headless", "-u", 1, "-t", "3s", "--stores", STORE, "--fast-rate", 20, *LONG, *workers),
        file="locustfiles/pools.py",
    )
    where = {**at(stack.layout.workspace), "WINDTUNNEL_RESULTS": str(tmp_path)}
    done = subprocess.run(
        command, check=False, cwd=ROOT, env=os.environ | where, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    parts = [sample.parts_us["nginx"] for sample in slept(tmp_path)]
    assert len(parts) > 20
    assert sum(part is not None for part in parts) > 0.9 * len(parts)


def test_a_run_that_is_ended_knows_nginxs_part(stack: Stack, tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "windtunnel", "run", "pools", "--stores", STORE, "--rate", 20, *LONG,
        "--processes", 2, "--rounds", 50, "--duration", 2, "--warmup", 0.1, "--results", tmp_path,
    ]  # fmt: skip
    with subprocess.Popen(
        list(map(str, command)),
        cwd=ROOT,
        env=os.environ | at(stack.layout.workspace),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        cells = tmp_path.glob
        eventually(lambda: any(file.stat().st_size for file in cells("*/cells.jsonl")))
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=PATIENCE) == 130
    assert any(sample.parts_us["nginx"] is not None for sample in slept(tmp_path))
