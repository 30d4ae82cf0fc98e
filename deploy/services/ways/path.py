"""A program that is on PATH, or where distributions keep servers."""

from __future__ import annotations

import glob
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.services.base import Program, Say, UnavailableError, Workspace, readable

if TYPE_CHECKING:
    from collections.abc import Iterator

USUAL = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/opt/*/bin", "/snap/bin")


@dataclass(frozen=True, slots=True)
class OnPath:
    """The first of `names` on PATH or in `folders` (globs; newest version first).

    `beside` are programs that must be in the same folder.
    """

    names: tuple[str, ...]
    folders: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    def obtain(self, workspace: Workspace, say: Say) -> Program:  # noqa: ARG002
        """Look for it; nothing is fetched. Raises UnavailableError."""
        for file in self._candidates(workspace):
            if all((file.parent / name).exists() for name in self.beside):
                return readable(Program(source=str(file), path=file), workspace)
        raise UnavailableError(f"{' or '.join(self.names)} is not on PATH")

    def _candidates(self, workspace: Workspace) -> Iterator[Path]:
        usual = [folder for pattern in (*self.folders, *USUAL) for folder in _newest_first(pattern)]
        for path in (workspace.environ.get("PATH", ""), ":".join(usual)):
            for name in self.names:
                if file := shutil.which(name, path=path):
                    yield Path(file).resolve()


def _newest_first(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern), key=_version, reverse=True)  # noqa: PTH207


def _version(path: str) -> tuple[int, ...]:
    return tuple(int(part) for part in path.split("/") if part.isdigit())
