"""The environment made from a lock, in small projects that need no network."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.stacks import eventually

BOOTSTRAP = Path(__file__).parent.parent.parent / "deploy" / "bootstrap.py"
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "small"
version = "1"
"""
BACKEND = """
import pathlib, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "small-1-py3-none-any.whl"
    info = "small-1.dist-info"
    files = {
        "small_project.pth": str(pathlib.Path(__file__).parent),
        f"{info}/METADATA": "Metadata-Version: 2.1\\nName: small\\nVersion: 1\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name
"""
NOWHERE = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_NO_INPUT": "1"}
UNKNOWN = f"windtunnel-nothing==1 --hash=sha256:{'0' * 64}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "a project"
    (folder / "deploy").mkdir(parents=True)
    (folder / "deploy" / "bootstrap.py").write_bytes(BOOTSTRAP.read_bytes())
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "backend.py").write_text(BACKEND)
    (folder / "requirements.lock").write_text("")
    return folder


def start(project: Path) -> subprocess.Popen[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "VIRTUAL_ENV"))}
    return subprocess.Popen(
        [sys._base_executable, str(project / "deploy" / "bootstrap.py")],  # type: ignore[attr-defined]
        cwd="/",
        env={**clean, **NOWHERE},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def bootstrap(project: Path) -> tuple[int, str, str]:
    with start(project) as process:
        out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def imports_the_project(project: Path) -> bool:
    python = project / ".venv" / "bin" / "python"
    return subprocess.run([python, "-c", "import backend"], cwd="/", check=False).returncode == 0


def test_it_is_made_once(project: Path) -> None:
    code, out, err = bootstrap(project)
    assert (code, err) == (0, "")
    assert "making .venv" in out
    assert imports_the_project(project)
    made = (project / ".venv" / "windtunnel.stamp").stat().st_mtime_ns
    assert bootstrap(project) == (0, "", "")
    assert (project / ".venv" / "windtunnel.stamp").stat().st_mtime_ns == made


def test_a_changed_lock_is_installed_into_what_is_there(project: Path) -> None:
    bootstrap(project)
    marker = project / ".venv" / "of-the-user"
    marker.touch()
    (project / "requirements.lock").write_text("# another day\n")
    code, out, _ = bootstrap(project)
    assert code == 0
    assert "making" not in out
    assert marker.exists()


def test_a_killed_run_is_made_anew_when_what_it_started_has_ended(project: Path) -> None:
    with start(project) as process:
        eventually((project / ".venv" / "bin" / "python").exists)
        (left,) = psutil.Process(process.pid).children()
        left.suspend()
        process.kill()
    try:
        assert not (project / ".venv" / "windtunnel.stamp").exists()
        with start(project) as again:
            assert again.stdout
            assert "another set-up is running" in again.stdout.readline()
            left.resume()
            out, _ = again.communicate(timeout=120)
    finally:
        with suppress(psutil.NoSuchProcess):
            left.resume()
    assert again.returncode == 0
    assert "incomplete" in out
    assert imports_the_project(project)


def test_a_python_that_is_gone_is_made_anew(project: Path) -> None:
    bootstrap(project)
    python = project / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    assert bootstrap(project)[0] == 0
    assert imports_the_project(project)


def test_no_network_is_one_line_and_a_later_run_goes_on(project: Path) -> None:
    (project / "requirements.lock").write_text(UNKNOWN)
    code, _, err = bootstrap(project)
    assert code == 3
    assert err.count("\n") == 1
    assert "no package index can be reached" in err
    (project / "requirements.lock").write_text("")
    assert bootstrap(project)[0] == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_another_accounts_folder_is_one_line(project: Path) -> None:
    project.chmod(0o555)
    code, _, err = bootstrap(project)
    project.chmod(0o755)
    assert code == 3
    assert err.count("\n") == 1
    assert "sudo chown" in err


WITHOUT_ENSUREPIP = """
import importlib.abc, runpy, sys

class Without(importlib.abc.MetaPathFinder):
    def find_spec(self, name, *_):
        if name == "ensurepip":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Without())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_python_without_ensurepip_is_one_line_with_the_package(project: Path) -> None:
    script = str(project / "deploy" / "bootstrap.py")
    command = [sys.executable, "-c", WITHOUT_ENSUREPIP, script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert f"apt-get install python3.{sys.version_info.minor}-venv" in done.stderr
