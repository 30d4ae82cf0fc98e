"""A program in a Debian package, unpacked into `.run/programs/`: no root, no system service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy.services.base import Program, Say, UnavailableError, Workspace, announce_fetch
from deploy.services.commands import CommandFailedError
from deploy.services.folders import atomic_folder
from deploy.services.ways.apt import Apt
from deploy.services.ways.libraries import (
    library_path,
    missing_libraries,
    unpack_dependencies,
)

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Debian:
    """The program at `path` (a glob) of a package; `package` may be alternatives, `a|b`."""

    package: str
    path: str
    libraries: tuple[str, ...] = ()

    def obtain(self, workspace: Workspace, say: Say) -> Program:
        """Unpack package and missing libraries unless they are there; raises UnavailableError."""
        name = self.package.split("|")[0]
        folder = workspace.programs / f"debian-{name}"
        if not folder.exists():
            announce_fetch(workspace, say, f"Debian's package {name}")
            try:
                self._fetch(folder, Apt.at(workspace, say), say)
            except CommandFailedError as error:
                raise UnavailableError(f"Debian's {self.package}: {error}") from error
        program = self._file_in(folder)
        env = library_path(folder) if missing_libraries(program, {}) else {}
        return Program(source=f"Debian's package {name}", path=program, env=env)

    def _fetch(self, folder: Path, apt: Apt, say: Say) -> None:
        package = apt.first_available(self.package)
        with atomic_folder(folder) as draft:
            apt.unpack([package], draft)
            program = self._file_in(draft)
            if sonames := missing_libraries(program, {}):
                say(f"fetching libraries that this machine lacks: {', '.join(sonames)}")
                unpack_dependencies(program, apt.libraries(package), draft, apt)

    def _file_in(self, folder: Path) -> Path:
        files = sorted(folder.glob(self.path))
        if not files:
            raise UnavailableError(f"Debian's package {self.package} has no {self.path}")
        return files[0]
