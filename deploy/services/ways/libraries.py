"""Shared libraries that a fetched program lacks here, unpacked from Debian's packages."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from deploy.services.base import Say, UnavailableError, Workspace, announce_fetch
from deploy.services.commands import CommandFailedError, run
from deploy.services.folders import atomic_folder
from deploy.services.ways.apt import Apt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

DEPTH = 5
"""Levels of dependencies that are unpacked."""


def with_libraries(
    program: Path, packages: Sequence[str], workspace: Workspace, say: Say
) -> Mapping[str, str]:
    """Return the environment in which the program finds its libraries (empty: nothing is missing).

    `packages` are those to look in first, alternatives as in `libcurl4t64|libcurl4`; their own
    dependencies follow as needed. Raises UnavailableError with the command that installs them.
    """
    sonames = ", ".join(missing_libraries(program, {}))
    if not sonames:
        return {}
    folder = workspace.programs / f"{program.name}-libraries"
    if not missing_libraries(program, library_path(folder)):
        return library_path(folder)
    announce_fetch(workspace, say, f"libraries that this machine lacks: {sonames}")
    try:
        with atomic_folder(folder) as draft:
            unpack_dependencies(program, packages, draft, Apt.at(workspace, say))
    except (UnavailableError, CommandFailedError) as error:
        names = " ".join(package.split("|")[-1] for package in packages)
        reason = f"{program.name} lacks {sonames} ({error})"
        raise UnavailableError(reason, f"sudo apt-get install {names}") from error
    return library_path(folder)


def unpack_dependencies(program: Path, packages: Iterable[str], folder: Path, apt: Apt) -> None:
    """Unpack packages, and level by level what they depend on, until no library is missing."""
    level, unpacked = [apt.first_available(package) for package in packages], set[str]()
    for _ in range(DEPTH):
        unpacked.update(level)
        apt.unpack(level, folder)
        sonames = missing_libraries(program, library_path(folder))
        if not sonames:
            return
        level = sorted({name for package in level for name in apt.libraries(package)} - unpacked)
    raise UnavailableError(f"no package has {', '.join(sonames)}")


def missing_libraries(program: Path, env: Mapping[str, str]) -> list[str]:
    """Return the sonames that the loader does not find; a loader that is too old counts as one."""
    if not shutil.which("ldd"):
        return []
    try:
        lines = run(["ldd", str(program)], env=env, merge_stderr=True).splitlines()
    except CommandFailedError:
        return []  # a static program
    return sorted({line.split()[0] for line in lines if line.endswith("not found")})


def library_path(folder: Path) -> Mapping[str, str]:
    """Return LD_LIBRARY_PATH with every folder in `folder` that has a shared library."""
    folders = sorted({str(library.parent) for library in folder.rglob("lib*.so*")})
    return {"LD_LIBRARY_PATH": ":".join(folders)} if folders else {}
