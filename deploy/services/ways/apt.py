"""Debian's packages without root: looked up, downloaded, unpacked, never installed."""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.services.base import Say, UnavailableError, Workspace
from deploy.services.commands import CommandFailedError, run
from deploy.services.folders import atomic_folder

if TYPE_CHECKING:
    from collections.abc import Iterable

NEVER_UNPACKED = {"libc6", "libgcc-s1", "libcrypt1"}  # they belong to the machine's own loader
DEPENDENCIES_ONLY = [
    f"--no-{kind}"
    for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
]
NO_SANDBOX = ["-o", "APT::Sandbox::User=root"]  # apt's own account cannot enter our folders
_refresh_lock = threading.Lock()
_refreshed: set[Path] = set()


@dataclass(frozen=True, slots=True)
class Apt:
    """The machine's package lists, or, where they are absent or too old, lists in `own_lists`."""

    own_lists: Path
    say: Say

    @classmethod
    def at(cls, workspace: Workspace, say: Say) -> Apt:
        """Return the apt of this workspace; raises UnavailableError on a machine without apt."""
        for tool in ("apt-get", "apt-cache", "dpkg", "dpkg-deb"):
            if not shutil.which(tool):
                raise UnavailableError(f"no Debian package: {tool} is not on this machine")
        return cls(workspace.programs / "apt", say)

    def first_available(self, package: str) -> str:
        """Return the first of the alternatives `a|b` that Debian has; raises UnavailableError."""
        for refresh in (False, True):
            if refresh:
                self.refresh()
            for name in package.split("|"):
                if self._has_candidate(name):
                    return name
        raise UnavailableError(f"Debian has no package {package}", "sudo apt-get update")

    def unpack(self, packages: Iterable[str], folder: Path) -> None:
        """Download the packages and unpack them all into a folder; raises UnavailableError."""
        names = list(packages)
        if not names:
            return
        archives = folder / ".archives"
        archives.mkdir(exist_ok=True)
        try:
            self._download(names, archives)
            for archive in sorted(archives.glob("*.deb")):
                run(["dpkg-deb", "-x", str(archive), str(folder)])
        except CommandFailedError as error:
            fix = f"sudo apt-get update && sudo apt-get install {' '.join(names)}"
            raise UnavailableError(f"Debian's {' '.join(names)}: {error}", fix) from error
        shutil.rmtree(archives)
        _relink(folder)

    def libraries(self, package: str) -> list[str]:
        """Return the library packages that it depends on and that are not installed."""
        output = run(["apt-cache", *self._options(), "depends", *DEPENDENCIES_ONLY, package])
        lines = (line for line in output.splitlines() if "Depends:" in line)
        names = {line.split(":")[-1].strip() for line in lines} - NEVER_UNPACKED
        return sorted(n for n in names if n.startswith("lib") and not _is_installed(n))

    def refresh(self) -> None:
        """Fetch package lists into our folder, which needs no root; raises UnavailableError."""
        with _refresh_lock:
            if self.own_lists in _refreshed:
                return
            self.say("fetching Debian's package lists")
            shutil.rmtree(self.own_lists, ignore_errors=True)
            try:
                with atomic_folder(self.own_lists) as draft:
                    _update(draft)
            except CommandFailedError as error:
                reason = f"package lists are not available: {error}"
                raise UnavailableError(reason, "sudo apt-get update") from error
            _refreshed.add(self.own_lists)

    def _has_candidate(self, package: str) -> bool:
        output = run(["apt-cache", *self._options(), "policy", package])
        return "Candidate:" in output and "Candidate: (none)" not in output

    def _download(self, packages: list[str], folder: Path) -> None:
        try:
            run(["apt-get", *self._options(), "-qq", "download", *packages], cwd=folder)
        except CommandFailedError as error:  # lists older than the archive name deleted files
            self.say(f"{error}")
            self.refresh()
            run(["apt-get", *self._options(), "-qq", "download", *packages], cwd=folder)

    def _options(self) -> list[str]:
        has_lists = self.own_lists.exists()
        return [*NO_SANDBOX, *_folder_options(self.own_lists)] if has_lists else NO_SANDBOX


def _update(folder: Path) -> None:
    for path in ("state/lists/partial", "cache/archives/partial"):
        (folder / path).mkdir(parents=True)
    run(["apt-get", *NO_SANDBOX, *_folder_options(folder), "-qq", "update"])


def _folder_options(folder: Path) -> list[str]:
    relative = {"State": "state", "State::Lists": "state/lists", "Cache": "cache"}
    folders = {key: str(folder / path) for key, path in relative.items()}
    folders["State::status"] = "/var/lib/dpkg/status"
    return [part for key, path in folders.items() for part in ("-o", f"Dir::{key}={path}")]


def _is_installed(package: str) -> bool:
    try:
        return run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}", package]).startswith("ii")
    except CommandFailedError:
        return False


def _relink(folder: Path) -> None:
    """Point absolute links of a package into the folder it was unpacked to."""
    for link in folder.rglob("*"):
        if link.is_symlink() and (target := link.readlink()).is_absolute():
            inside = folder / target.relative_to("/")
            if inside.exists():
                link.unlink()
                link.symlink_to(os.path.relpath(inside, link.parent))
