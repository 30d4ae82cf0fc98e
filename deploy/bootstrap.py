"""Makes `.venv/` from requirements.lock; stdlib only, so that it runs before anything is there.

    python3 deploy/bootstrap.py

A second run sees its stamp and ends at once; an incomplete environment is made again. Exit codes:
0; 3 the machine lacks something, one line says what and how to fix it; 130 Ctrl-C.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
MIN_PYTHON = (3, 11)
DISK_SPACE = 1.5e9
"""Bytes that the environment takes while it is made, with its downloads."""


class BootstrapError(Exception):
    """The machine lacks something; the message is one line that says how to fix it."""

    exit_code = 3


def main(project: Path = PROJECT) -> int:
    """Make the environment of a project unless it is there; returns the exit code."""
    try:
        require_python()
        with setup_lock(project):
            make(project)
    except BootstrapError as error:
        print(f"setup: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nsetup: interrupted; `make setup` continues from here", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"setup: {error.filename or project}: {error.strerror}{_fix(error)}", file=sys.stderr)
        return BootstrapError.exit_code
    return 0


def _fix(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"; fix: sudo chown -R $(id -un) {PROJECT}"
    return ""


def make(project: Path) -> None:
    """Bring `.venv` up to the lock; raises BootstrapError."""
    venv, fingerprint = project / ".venv", fingerprint_of(project)
    stamp = venv / "windtunnel.stamp"
    installed = installed_fingerprint(venv, stamp)
    if installed == fingerprint:
        return
    if installed is None:
        create(venv)
    stamp.unlink(missing_ok=True)
    install(project, venv)
    stamp.write_text(fingerprint)
    say("the environment .venv is ready")


def fingerprint_of(project: Path) -> str:
    """Return a hash of what the environment is made from."""
    digest = hashlib.sha256()
    for name in ("requirements.lock", "pyproject.toml"):
        digest.update((project / name).read_bytes())
    return digest.hexdigest()


def installed_fingerprint(venv: Path, stamp: Path) -> "str | None":
    """Return that of a complete environment; None if it is absent, incomplete or broken."""
    if not (venv / "bin" / "python").exists():  # false for a link to a Python that is gone, too
        return None
    return stamp.read_text() if stamp.exists() else None


def require_python() -> None:
    """Raise BootstrapError unless this Python can make environments."""
    if sys.version_info < MIN_PYTHON:
        raise BootstrapError(
            "Python 3.11 or newer is needed: sudo apt-get install python3 python3-venv"
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ModuleNotFoundError as error:
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        raise BootstrapError(
            f"this Python cannot make environments: sudo apt-get install {package}"
        ) from error


def create(venv: Path) -> None:
    """Make an empty environment in place of whatever is there."""
    free = shutil.disk_usage(venv.parent).free
    if free < DISK_SPACE:
        raise BootstrapError(
            f"{free / 1e9:.1f} GB are free in {venv.parent}, {DISK_SPACE / 1e9:.1f} are needed: "
            "free some space"
        )
    note = " (the former one was incomplete)" if venv.exists() else ""
    say(f"making .venv with Python {sys.version.split()[0]}{note}")
    process = run([sys.executable, "-m", "venv", "--clear", str(venv)])
    if process.returncode:
        raise BootstrapError(f"python -m venv failed: {last_line(process.stdout)}")


def install(project: Path, venv: Path) -> None:
    """Install what the lock names, hashes checked, and the project itself."""
    lock = project / "requirements.lock"
    total = len(re.findall(r"^[A-Za-z0-9]\S*==", lock.read_text(), re.MULTILINE))
    say(f"installing up to {total} packages of requirements.lock (a minute or two)")
    pip(venv, ["--require-hashes", "-r", str(lock)])
    pip(venv, ["--no-deps", "--no-build-isolation", "-e", str(project)])


def pip(venv: Path, arguments: Sequence[str]) -> None:
    """Run `pip install`; raises BootstrapError with the reason; its whole output is in a log."""
    quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    process = run([str(venv / "bin" / "python"), "-m", "pip", "install", *quiet, *arguments])
    log = venv / "windtunnel-pip.log"
    log.write_text(process.stdout)
    if process.returncode:
        raise BootstrapError(reason(process.stdout, log))


def reason(output: str, log: Path) -> str:
    """Return why pip failed, in one line."""
    reasons = {
        r"No space left on device": "the disk is full: free some space, then `make setup`",
        r"HASHES|hashes": "a downloaded package is not the one that requirements.lock names",
        r"ConnectionError|name resolution|Max retries|timed out|ProxyError|versions: none": (
            "no package index can be reached: check network and proxy, then `make setup`"
        ),
        r"(?i)error: command .*(gcc|cc)|Python\.h": (
            "a package must be compiled here: sudo apt-get install build-essential python3-dev"
        ),
    }
    for pattern, text in reasons.items():
        if re.search(pattern, output):
            return text
    return f"pip failed: {last_line(output)} (all of its output: {log})"


def last_line(output: str) -> str:
    """Return the last line that says what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["it printed nothing"])[-1]


def run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run a command without the caller's Python settings in its environment."""
    environ = {k: v for k, v in os.environ.items() if k not in {"PYTHONHOME", "PYTHONPATH"}}
    environ |= {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
    return subprocess.run(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        close_fds=False,  # it inherits the lock
    )


@contextmanager
def setup_lock(project: Path) -> Iterator[None]:
    """Let one set-up run at a time; another waits for it, and for what a killed one started."""
    folder = project / ".run"
    folder.mkdir(exist_ok=True)
    with (folder / "setup.lock").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up is running: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def say(line: str) -> None:
    """Print a line at once."""
    print(f"setup: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
