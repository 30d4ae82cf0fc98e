"""A zip among Maven's artifacts, fetched by Maven, or where there is none by a small package."""

from __future__ import annotations

import hashlib
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from deploy.services.base import Program, Say, UnavailableError, Way, Workspace, announce_fetch
from deploy.services.commands import CommandFailedError, run
from deploy.services.folders import atomic_folder
from deploy.services.ways.wheel import FIX, fetch

LOCK = Path(__file__).parent.parent / "maven.lock"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"


@dataclass(frozen=True, slots=True)
class Maven:
    """The program at `path` of an artifact's zip, which runs on the Java that `java` obtains."""

    group: str
    artifact: str
    version: str
    path: str
    java: Way

    def obtain(self, workspace: Workspace, say: Say) -> Program:
        """Get Java first, as a zip without it is of no use; raises UnavailableError."""
        java = self.java.obtain(workspace, say)
        folder = workspace.programs / f"{self.artifact}-{self.version}"
        if not folder.exists():
            announce_fetch(workspace, say, f"the Maven artifact {self.artifact} {self.version}")
            with atomic_folder(folder) as draft:
                _unpack(self._fetch(draft, workspace, say), draft)
        env = {"ES_JAVA_HOME": str(java.file.parent.parent), **java.env}
        source = f"the Maven artifact {folder.name} on {java.source}"
        return Program(source=source, path=next(folder.glob(self.path)), env=env)

    def _fetch(self, folder: Path, workspace: Workspace, say: Say) -> Path:
        reason = ""
        for fetch_by in (self._fetch_by_maven, self._fetch_by_package):
            try:
                fetch_by(folder, workspace, say)
                archive = next(folder.glob("*.zip"))
                return _checked(archive, f"{self.artifact}-{self.version}.zip")
            except (CommandFailedError, StopIteration) as error:
                reason = str(error)
        raise UnavailableError(
            f"the Maven artifact {self.artifact} is not available: {reason}", FIX
        )

    def _fetch_by_maven(self, folder: Path, workspace: Workspace, say: Say) -> None:  # noqa: ARG002
        if not shutil.which("mvn", path=workspace.environ.get("PATH", "")):
            raise CommandFailedError("mvn is not on PATH")
        artifact = f"-Dartifact={self.group}:{self.artifact}:{self.version}:zip"
        repository = f"-Dmaven.repo.local={folder / '.m2'}"
        output = f"-DoutputDirectory={folder}"
        run(["mvn", "-q", "-B", repository, COPY, artifact, output], cwd=folder)
        shutil.rmtree(folder / ".m2")

    def _fetch_by_package(self, folder: Path, workspace: Workspace, say: Say) -> None:
        paths = [str(fetch(package, workspace, say)) for package in ("maven-artifact", "lxml")]
        artifact = f"{self.group}:{self.artifact}:zip:{self.version}"
        command = [sys.executable, "-m", "maven_artifact.main", artifact]
        run(command, cwd=folder, env={"PYTHONPATH": ":".join(paths)})


def _unpack(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)  # its hash is pinned
    archive.unlink()
    for program in folder.glob("*/bin/*"):
        program.chmod(0o755)


def _checked(archive: Path, name: str) -> Path:
    """Return the archive; raises CommandFailedError unless its hash is the pinned one."""
    lines = (line.split() for line in LOCK.read_text().splitlines())
    pins = {pinned: digest for digest, pinned in lines}
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != pins[name]:
        raise CommandFailedError(f"{name} is not the one that is pinned (sha256 {digest})")
    return archive
