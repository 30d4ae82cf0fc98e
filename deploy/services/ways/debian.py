"""A program in a Debian package, unpacked into `.run/programs/`: no root, no system service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy.services.base import Missing, Program, Say, Workspace, announce
from deploy.services.cache import making
from deploy.services.shell import Failed
from deploy.services.ways.apt import Apt
from deploy.services.ways.libraries import complete, lacks, search_path

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Debian:
    """The program at `inside` (a glob) of a package; `package` may be alternatives, `a|b`."""

    package: str
    inside: str
    libraries: tuple[str, ...] = ()

    def obtain(self, workspace: Workspace, say: Say) -> Program:
        """Unpacks package and lacking libraries unless they are there; raises Missing."""
        folder = workspace.programs / f"debian-{self.package.split('|')[0]}"
        if not folder.exists():
            announce(workspace, say, f"Debian's package {folder.name[7:]}")
            try:
                self._fetch(folder, Apt.at(workspace, say), say)
            except Failed as failed:
                raise Missing(f"Debian's {self.package}: {failed}") from failed
        program = self._inside(folder)
        env = search_path(folder) if lacks(program, {}) else {}
        return Program(source=f"Debian's package {folder.name[7:]}", path=program, env=env)

    def _fetch(self, folder: Path, apt: Apt, say: Say) -> None:
        package = apt.known(self.package)
        with making(folder) as draft:
            apt.unpack([package], draft)
            program = self._inside(draft)
            if lacking := lacks(program, {}):
                say(f"fetching libraries that this machine lacks: {', '.join(lacking)}")
                complete(program, apt.libraries(package), draft, apt)

    def _inside(self, folder: Path) -> Path:
        found = sorted(folder.glob(self.inside))
        if not found:
            raise Missing(f"Debian's package {self.package} has no {self.inside}")
        return found[0]
