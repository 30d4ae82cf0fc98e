"""Debian's packages without root: looked up, downloaded, unpacked, never installed."""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.services.base import Missing, Say, Workspace
from deploy.services.cache import making
from deploy.services.shell import Failed, run

if TYPE_CHECKING:
    from collections.abc import Iterable

NEVER = {"libc6", "libgcc-s1", "libcrypt1"}  # they belong to the machine's own loader
LEAN = [
    f"--no-{kind}"
    for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
]
UNBOXED = ["-o", "APT::Sandbox::User=root"]  # apt's own account cannot enter our folders
_refreshing = threading.Lock()
_fresh: set[Path] = set()


@dataclass(frozen=True, slots=True)
class Apt:
    """The machine's package lists, or where they are absent or too old, lists of our own."""

    own: Path
    say: Say

    @classmethod
    def at(cls, workspace: Workspace, say: Say) -> Apt:
        """Apt for this workspace; raises Missing on a machine without apt."""
        for tool in ("apt-get", "apt-cache", "dpkg", "dpkg-deb"):
            if not shutil.which(tool):
                raise Missing(f"no Debian package: {tool} is not on this machine")
        return cls(workspace.programs / "apt", say)

    def known(self, package: str) -> str:
        """The first of the alternatives `a|b` that can be had; raises Missing."""
        for refreshed in (False, True):
            if refreshed:
                self.refresh()
            for name in package.split("|"):
                if self._candidate(name):
                    return name
        raise Missing(f"Debian has no package {package}", "sudo apt-get update")

    def unpack(self, packages: Iterable[str], folder: Path) -> None:
        """Downloads the packages and unpacks them all into one folder; raises Missing."""
        if not (wanted := list(packages)):
            return
        archives = folder / ".archives"
        archives.mkdir(exist_ok=True)
        try:
            self._download(wanted, archives)
            for archive in sorted(archives.glob("*.deb")):
                run(["dpkg-deb", "-x", str(archive), str(folder)])
        except Failed as failed:
            mend = f"sudo apt-get update && sudo apt-get install {' '.join(wanted)}"
            raise Missing(f"Debian's {' '.join(wanted)}: {failed}", mend) from failed
        shutil.rmtree(archives)
        _relink(folder)

    def libraries(self, package: str) -> list[str]:
        """Library packages that it depends on and that are not installed."""
        said = run(["apt-cache", *self._lists(), "depends", *LEAN, package])
        names = {line.split(":")[-1].strip() for line in said.splitlines() if "Depends:" in line}
        wanted = (name for name in names if name.startswith("lib") and name not in NEVER)
        return sorted(name for name in wanted if not _installed(name))

    def refresh(self) -> None:
        """Fetches package lists into a folder of ours, which needs no root; raises Missing."""
        with _refreshing:
            if self.own in _fresh:
                return
            self.say("fetching Debian's package lists")
            shutil.rmtree(self.own, ignore_errors=True)
            try:
                with making(self.own) as draft:
                    _update(draft)
            except Failed as failed:
                mend = "sudo apt-get update"
                raise Missing(f"package lists cannot be had: {failed}", mend) from failed
            _fresh.add(self.own)

    def _candidate(self, package: str) -> bool:
        said = run(["apt-cache", *self._lists(), "policy", package])
        return "Candidate:" in said and "Candidate: (none)" not in said

    def _download(self, packages: list[str], folder: Path) -> None:
        try:
            run(["apt-get", *self._lists(), "-qq", "download", *packages], cwd=folder)
        except Failed as failed:  # lists older than the archive name files that are gone
            self.say(f"{failed}")
            self.refresh()
            run(["apt-get", *self._lists(), "-qq", "download", *packages], cwd=folder)

    def _lists(self) -> list[str]:
        return [*UNBOXED, *_kept_in(self.own)] if self.own.exists() else UNBOXED


def _update(folder: Path) -> None:
    for needed in ("state/lists/partial", "cache/archives/partial"):
        (folder / needed).mkdir(parents=True)
    run(["apt-get", *UNBOXED, *_kept_in(folder), "-qq", "update"])


def _kept_in(folder: Path) -> list[str]:
    ours = {"State": "state", "State::Lists": "state/lists", "Cache": "cache"}
    folders = {key: str(folder / inside) for key, inside in ours.items()}
    folders["State::status"] = "/var/lib/dpkg/status"
    return [part for key, path in folders.items() for part in ("-o", f"Dir::{key}={path}")]


def _installed(package: str) -> bool:
    try:
        return run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}", package]).startswith("ii")
    except Failed:
        return False


def _relink(folder: Path) -> None:
    """Points absolute links of a package into the folder it was unpacked to."""
    for link in folder.rglob("*"):
        if link.is_symlink() and (goal := link.readlink()).is_absolute():
            inside = folder / goal.relative_to("/")
            if inside.exists():
                link.unlink()
                link.symlink_to(os.path.relpath(inside, link.parent))
