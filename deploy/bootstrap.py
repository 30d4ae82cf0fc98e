"""Makes `.venv/` from requirements.lock; stdlib only, so that it runs before anything is there.

    python3 deploy/bootstrap.py

A second run sees its stamp and ends at once; a half-made environment is made anew. Exit codes: 0;
3 the machine lacks something, said in one line with what mends it; 130 Ctrl-C.
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
LEAST = (3, 11)
ROOM = 1.5e9
"""Bytes that the environment takes while it is made, its downloads among them."""


class Lacking(Exception):  # noqa: N818 - told to people, not to programs
    """The machine lacks something; the text is one line that says what mends it."""


def main(project: Path = PROJECT) -> int:
    """Make the environment of a project unless it is there; returns the exit code."""
    try:
        require_python()
        with alone(project):
            make(project)
    except Lacking as lacking:
        print(f"setup: {lacking}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("\nsetup: interrupted; `make setup` goes on from here", file=sys.stderr)
        return 130
    except OSError as error:
        print(
            f"setup: {error.filename or project}: {error.strerror}{_mend(error)}", file=sys.stderr
        )
        return 3
    return 0


def _mend(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"; to mend: sudo chown -R $(id -un) {PROJECT}"
    return ""


def make(project: Path) -> None:
    """Bring `.venv` up to the lock; raises Lacking."""
    venv, wanted = project / ".venv", fingerprint(project)
    stamp = venv / "windtunnel.stamp"
    if made(venv, stamp) == wanted:
        return
    if made(venv, stamp) is None:
        create(venv)
    stamp.unlink(missing_ok=True)
    install(project, venv)
    stamp.write_text(wanted)
    say("the environment .venv is ready")


def fingerprint(project: Path) -> str:
    """What the environment is made from, as a hash."""
    digest = hashlib.sha256()
    for name in ("requirements.lock", "pyproject.toml"):
        digest.update((project / name).read_bytes())
    return digest.hexdigest()


def made(venv: Path, stamp: Path) -> "str | None":
    """The fingerprint of a whole environment; None for one that is absent, half made or broken."""
    if not (venv / "bin" / "python").exists():  # false for a link to a Python that is gone, too
        return None
    return stamp.read_text() if stamp.exists() else None


def require_python() -> None:
    """Raise Lacking unless this Python can make environments."""
    if sys.version_info < LEAST:
        raise Lacking("Python 3.11 or newer is needed: sudo apt-get install python3 python3-venv")
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ModuleNotFoundError as absent:
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        told = f"this Python cannot make environments: sudo apt-get install {package}"
        raise Lacking(told) from absent


def create(venv: Path) -> None:
    """Make an empty environment in place of whatever is there."""
    free = shutil.disk_usage(venv.parent).free
    if free < ROOM:
        raise Lacking(
            f"{free / 1e9:.1f} GB are free in {venv.parent}, {ROOM / 1e9:.1f} are needed: make room"
        )
    again = " (the one there was half made)" if venv.exists() else ""
    say(f"making .venv with Python {sys.version.split()[0]}{again}")
    done = run([sys.executable, "-m", "venv", "--clear", str(venv)])
    if done.returncode:
        raise Lacking(f"python -m venv failed: {last_line(done.stdout)}")


def install(project: Path, venv: Path) -> None:
    """Install what the lock names, hashes checked, and the project itself."""
    lock = project / "requirements.lock"
    total = len(re.findall(r"^[A-Za-z0-9]\S*==", lock.read_text(), re.MULTILINE))
    say(f"installing up to {total} packages of requirements.lock (a minute or two)")
    pip(venv, ["--require-hashes", "-r", str(lock)])
    pip(venv, ["--no-deps", "--no-build-isolation", "-e", str(project)])


def pip(venv: Path, what: Sequence[str]) -> None:
    """Run `pip install`; raises Lacking with the reason, everything it said is in a log."""
    quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    done = run([str(venv / "bin" / "python"), "-m", "pip", "install", *quiet, *what])
    log = venv / "windtunnel-pip.log"
    log.write_text(done.stdout)
    if done.returncode:
        raise Lacking(reason(done.stdout, log))


def reason(said: str, log: Path) -> str:
    """Why pip failed, in one line."""
    known = {
        r"No space left on device": "the disk is full: make room, then `make setup`",
        r"HASHES|hashes": "a downloaded package is not the one that requirements.lock names",
        r"ConnectionError|name resolution|Max retries|timed out|ProxyError|versions: none": (
            "no package index can be reached: check network and proxy, then `make setup`"
        ),
        r"(?i)error: command .*(gcc|cc)|Python\.h": (
            "a package must be compiled here: sudo apt-get install build-essential python3-dev"
        ),
    }
    for pattern, told in known.items():
        if re.search(pattern, said):
            return told
    return f"pip failed: {last_line(said)} (all of it: {log})"


def last_line(said: str) -> str:
    """The last line that says what went wrong."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["it said nothing"])[-1]


def run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run a command with nothing of the caller's Python in its environment."""
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
        close_fds=False,  # the lock is theirs too
    )


@contextmanager
def alone(project: Path) -> Iterator[None]:
    """One set-up at a time; a second one waits for the first, and for what a killed one started."""
    folder = project / ".run"
    folder.mkdir(exist_ok=True)
    with (folder / "setup.lock").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up is at work: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def say(line: str) -> None:
    """Print a line at once."""
    print(f"setup: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
