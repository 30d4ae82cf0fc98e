"""A wheel is windtunnel alone: what reads files works with it, the rest says what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.windtunnel.generate import Made, write

PROJECT = Path(__file__).parent.parent

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and return the folder that it is unpacked in."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    (archive,) = folder.glob("*.whl")
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder / "site")
    return folder / "site"


@pytest.fixture
def windtunnel(wheel: Path, tmp_path: Path) -> Run:
    """Return what runs the command in a folder without the clone, with its dependencies.

    Without `site`, the folder of packages adds no editable install.
    """
    path = os.pathsep.join([str(wheel), sysconfig.get_path("purelib")])

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-S", "-m", "windtunnel", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_a_wheel_has_windtunnel_alone(wheel: Path) -> None:
    folders = {path.name.partition("-")[0] for path in wheel.iterdir()}
    assert folders == {"windtunnel"}


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("split", "show", "--help")])
def test_help_needs_no_clone(windtunnel: Run, arguments: tuple[str, ...]) -> None:
    done = windtunnel(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_a_run_is_read_without_the_clone(windtunnel: Run, tmp_path: Path) -> None:
    folder = tmp_path / "results" / "a"
    folder.mkdir(parents=True)
    write(folder, Made(stores=("redis/async/fast", "sqlite/async/fast"), variants=("base", "new")))
    for arguments in (("report", "latest"), ("report", str(folder), "--json"), ("compare", "a")):
        done = windtunnel(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), arguments
        assert "redis/async/fast" in done.stdout
    assert (folder / "report.html").exists()


def test_a_split_is_planned_without_the_clone(windtunnel: Run) -> None:
    load = ("--fast-rate", "200", "--slow-rate", "5", "--slo", "p99(response, fast) < 80ms")
    done = windtunnel("plan", *load)
    assert (done.returncode, done.stderr) == (0, "")
    assert "holds" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("setup",),
        ("up",),
        ("down",),
        ("status",),
        ("logs",),
        ("doctor",),
        ("stores",),
        ("run", "crud"),
        ("capacity", "crud", "--slo", "p99 < 50ms"),
        ("tune", "--slo", "p99(fast) < 50ms"),
        ("split", "show"),
        ("split", "set", "pools.fast.processes=2"),
        ("split", "apply"),
        ("split", "reset"),
        ("split", "history"),
        ("split", "undo"),
        ("split", "render"),
    ],
)
def test_what_needs_the_clone_says_so_in_one_line(
    windtunnel: Run, arguments: tuple[str, ...]
) -> None:
    done = windtunnel(*arguments)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.count("\n") == 1, done.stderr
    assert "needs the project's clone" in done.stderr
    assert "make setup" in done.stderr


def test_a_server_elsewhere_is_asked_for_its_stores_without_the_clone(windtunnel: Run) -> None:
    done = windtunnel("stores", "--host", "http://127.0.0.1:1")
    assert done.returncode == 3
    assert "no Windtunnel server answers" in done.stderr
