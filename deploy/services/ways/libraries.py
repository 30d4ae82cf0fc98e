"""Shared libraries that a fetched program lacks here, unpacked from Debian's packages."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from deploy.services.base import Missing, Say, Workspace, announce
from deploy.services.cache import making
from deploy.services.shell import Failed, run
from deploy.services.ways.apt import Apt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

DEPTH = 5


def with_libraries(
    program: Path, packages: Sequence[str], workspace: Workspace, say: Say
) -> Mapping[str, str]:
    """The environment in which the program finds its libraries (empty: the machine has them all).

    `packages` are those to look in first, alternatives as in `libcurl4t64|libcurl4`; their own
    dependencies follow as needed. Raises Missing with the command that installs them.
    """
    lacking = lacks(program, {})
    if not lacking:
        return {}
    folder = workspace.programs / f"{program.name}-libraries"
    if not lacks(program, search_path(folder)):
        return search_path(folder)
    announce(workspace, say, f"libraries that this machine lacks: {', '.join(lacking)}")
    try:
        with making(folder) as draft:
            complete(program, packages, draft, Apt.at(workspace, say))
    except (Missing, Failed) as failed:
        plain = " ".join(package.split("|")[-1] for package in packages)
        mend = f"sudo apt-get install {plain}"
        raise Missing(f"{program.name} lacks {', '.join(lacking)} ({failed})", mend) from failed
    return search_path(folder)


def complete(program: Path, packages: Iterable[str], folder: Path, apt: Apt) -> None:
    """Unpacks packages, and level by level what they depend on, until nothing is lacking."""
    todo, seen = [apt.known(package) for package in packages], set[str]()
    for _ in range(DEPTH):
        seen.update(todo)
        apt.unpack(todo, folder)
        if not lacks(program, search_path(folder)):
            return
        todo = sorted({need for package in todo for need in apt.libraries(package)} - seen)
    raise Missing(f"no package has {', '.join(lacks(program, search_path(folder)))}")


def lacks(program: Path, env: Mapping[str, str]) -> list[str]:
    """The sonames that the loader does not find; a loader too old for the program counts as one."""
    if not shutil.which("ldd"):
        return []
    try:
        lines = run(["ldd", str(program)], env=env, both=True).splitlines()
    except Failed:
        return []  # a static program
    absent = [line.split()[0] for line in lines if line.endswith("not found")]
    return sorted(set(absent))


def search_path(folder: Path) -> Mapping[str, str]:
    """LD_LIBRARY_PATH with every folder in `folder` that has a shared library."""
    found = sorted({str(library.parent) for library in folder.rglob("lib*.so*")})
    return {"LD_LIBRARY_PATH": ":".join(found)} if found else {}
