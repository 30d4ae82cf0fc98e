"""An installed Java: one that the environment names, on PATH, or where distributions keep them."""

from __future__ import annotations

import glob
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.services.base import Program, Say, UnavailableError, Workspace, readable

if TYPE_CHECKING:
    from collections.abc import Iterator

HOMES = ("/usr/lib/jvm/*", "/opt/java/*", "/opt/jdk*")


@dataclass(frozen=True, slots=True)
class InstalledJava:
    """The oldest Java from `least` on that has all `modules`: old enough to be known to work."""

    least: int
    modules: tuple[str, ...]

    def obtain(self, workspace: Workspace, say: Say) -> Program:  # noqa: ARG002
        """Look for it; no Java is started, which would take half a second each."""
        suitable = [home for home in _homes(workspace) if self._is_suitable(home)]
        for home in sorted(suitable, key=_version):
            program = Program(source=f"Java at {home}", path=home / "bin" / "java")
            try:
                return readable(program, workspace)
            except UnavailableError:
                continue
        raise UnavailableError(f"no Java from {self.least} on is installed")

    def _is_suitable(self, home: Path) -> bool:
        modules = set(_release(home, "MODULES").split())
        return _version(home) >= self.least and modules.issuperset(self.modules)


def _homes(workspace: Workspace) -> Iterator[Path]:
    named = [workspace.environ.get(name) for name in ("ES_JAVA_HOME", "JAVA_HOME")]
    java = shutil.which("java", path=workspace.environ.get("PATH", ""))
    usual = [path for pattern in HOMES for path in glob.glob(pattern)]  # noqa: PTH207
    on_path = [str(Path(java).resolve().parent.parent)] if java else []
    for home in dict.fromkeys([*filter(None, named), *on_path, *usual]):
        if (Path(home) / "bin" / "java").exists():
            yield Path(home).resolve()


def _version(home: Path) -> int:
    match = re.match(r"(?:1\.)?(\d+)", _release(home, "JAVA_VERSION"))
    return int(match[1]) if match else 0


def _release(home: Path, key: str) -> str:
    """Return a value of the file `release`, which every Java from 9 on has."""
    try:
        text = (home / "release").read_text()
    except OSError:
        return ""
    match = re.search(rf'^{key}="(.*)"$', text, re.MULTILINE)
    return match[1] if match else ""
