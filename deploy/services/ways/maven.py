"""A zip among Maven's artifacts, fetched by Maven, or where there is none by a small package."""

from __future__ import annotations

import hashlib
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.services.base import Missing, Program, Say, Way, Workspace, announce
from deploy.services.cache import making
from deploy.services.shell import Failed, run
from deploy.services.ways.wheel import fetch

if TYPE_CHECKING:
    pass

LOCK = Path(__file__).parent.parent / "maven.lock"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
MEND = "check the network, then `make setup`"


@dataclass(frozen=True, slots=True)
class Maven:
    """The program `inside` an artifact's zip, which runs on the Java that the way `java` gets."""

    group: str
    artifact: str
    version: str
    inside: str
    java: Way

    def obtain(self, workspace: Workspace, say: Say) -> Program:
        """Gets Java first, as a zip without it is of no use; raises Missing."""
        java = self.java.obtain(workspace, say)
        folder = workspace.programs / f"{self.artifact}-{self.version}"
        if not folder.exists():
            announce(workspace, say, f"the Maven artifact {self.artifact} {self.version}")
            with making(folder) as draft:
                self._unpack(self._fetch(draft, workspace, say), draft)
        env = {"ES_JAVA_HOME": str(java.file.parent.parent), **java.env}
        source = f"the Maven artifact {folder.name} on {java.source}"
        return Program(source=source, path=next(folder.glob(self.inside)), env=env)

    def _fetch(self, folder: Path, workspace: Workspace, say: Say) -> Path:
        failed = ""
        for tool in (self._by_maven, self._by_package):
            try:
                tool(folder, workspace, say)
                return _checked(next(folder.glob("*.zip")), f"{self.artifact}-{self.version}.zip")
            except (Failed, StopIteration) as error:
                failed = str(error)
        raise Missing(f"the Maven artifact {self.artifact} cannot be had: {failed}", MEND)

    def _by_maven(self, folder: Path, workspace: Workspace, say: Say) -> None:  # noqa: ARG002
        if not shutil.which("mvn", path=workspace.environ.get("PATH", "")):
            raise Failed("mvn is not on PATH")
        what = f"-Dartifact={self.group}:{self.artifact}:{self.version}:zip"
        store = f"-Dmaven.repo.local={folder / '.m2'}"
        run(["mvn", "-q", "-B", store, COPY, what, f"-DoutputDirectory={folder}"], cwd=folder)
        shutil.rmtree(folder / ".m2")

    def _by_package(self, folder: Path, workspace: Workspace, say: Say) -> None:
        paths = [str(fetch(package, workspace, say)) for package in ("maven-artifact", "lxml")]
        what = f"{self.group}:{self.artifact}:zip:{self.version}"
        command = [sys.executable, "-m", "maven_artifact.main", what]
        run(command, cwd=folder, env={"PYTHONPATH": ":".join(paths)})

    def _unpack(self, archive: Path, folder: Path) -> None:
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)  # its hash is pinned
        archive.unlink()
        for program in folder.glob("*/bin/*"):
            program.chmod(0o755)


def _checked(archive: Path, name: str) -> Path:
    lines = (line.split() for line in LOCK.read_text().splitlines())
    pins = {pinned: digest for digest, pinned in lines}
    with archive.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != pins[name]:
        raise Failed(f"{name} is not the one that is pinned (sha256 {found})")
    return archive
