"""A Java at hand: one that the environment names, on PATH, or where distributions keep them."""

from __future__ import annotations

import glob
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.services.base import Missing, Program, Say, Workspace, readable

if TYPE_CHECKING:
    from collections.abc import Iterator

HOMES = ("/usr/lib/jvm/*", "/opt/java/*", "/opt/jdk*")


@dataclass(frozen=True, slots=True)
class JavaAtHand:
    """The oldest Java from `least` on that has all `modules`: old enough to be known to work."""

    least: int
    modules: tuple[str, ...]

    def obtain(self, workspace: Workspace, say: Say) -> Program:  # noqa: ARG002
        """Looks; starts no Java, which would take half a second each."""
        fitting = [home for home in _homes(workspace) if self._fits(home)]
        for home in sorted(fitting, key=_version):
            try:
                return readable(
                    Program(source=f"Java at {home}", path=home / "bin" / "java"), workspace
                )
            except Missing:
                continue
        raise Missing(f"no Java from {self.least} on is at hand")

    def _fits(self, home: Path) -> bool:
        has = set(_release(home, "MODULES").split())
        return _version(home) >= self.least and has.issuperset(self.modules)


def _homes(workspace: Workspace) -> Iterator[Path]:
    named = [workspace.environ.get(name) for name in ("ES_JAVA_HOME", "JAVA_HOME")]
    found = shutil.which("java", path=workspace.environ.get("PATH", ""))
    usual = [path for pattern in HOMES for path in glob.glob(pattern)]  # noqa: PTH207
    on_path = [str(Path(found).resolve().parent.parent)] if found else []
    for home in dict.fromkeys([*filter(None, named), *on_path, *usual]):
        if (Path(home) / "bin" / "java").exists():
            yield Path(home).resolve()


def _version(home: Path) -> int:
    found = re.match(r"(?:1\.)?(\d+)", _release(home, "JAVA_VERSION"))
    return int(found[1]) if found else 0


def _release(home: Path, key: str) -> str:
    """A value of the file `release`, which every Java from 9 on has."""
    try:
        text = (home / "release").read_text()
    except OSError:
        return ""
    found = re.search(rf'^{key}="(.*)"$', text, re.MULTILINE)
    return found[1] if found else ""
