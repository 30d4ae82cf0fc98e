"""What a service is: a program that is obtained, and the instances to start of it."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

from deploy.services.commands import CommandFailedError, run
from deploy.services.workspace import NOBODY, PORTS, Workspace, is_open_to_all
from server.addresses import without_password

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = [
    "PORTS",
    "Instance",
    "ManagedService",
    "Program",
    "Say",
    "UnavailableError",
    "Way",
    "Workspace",
    "announce_fetch",
]

Say = Callable[[str], None]


class UnavailableError(Exception):
    """Something is not available here: the reason in one line, and the command that fixes it."""

    exit_code = 3

    def __init__(self, reason: str, fix: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.reason}; fix: {self.fix}" if self.fix else self.reason


@dataclass(frozen=True, slots=True)
class Program:
    """A server's program: where it came from, its file (None: a server runs at `url` already)."""

    source: str
    path: Path | None
    env: Mapping[str, str] = field(default_factory=dict)
    url: str | None = None

    @property
    def is_external(self) -> bool:
        """Whether the environment gave an address, so that there is nothing to start."""
        return self.path is None

    @property
    def file(self) -> Path:
        """The program's file; raises UnavailableError for an external server."""
        if self.path is None:
            raise UnavailableError(f"the server at {self.url} is not started here")
        return self.path


@dataclass(frozen=True, slots=True)
class Instance:
    """One server process to supervise; `ready` asks it whether it serves."""

    name: str
    service: str
    port: int
    command: tuple[str, ...]
    env: Mapping[str, str]
    user: str | None
    stop_signal: str
    cwd: Path
    ready: Callable[[], bool]


class Way(Protocol):
    """One way to get a program."""

    def obtain(self, workspace: Workspace, say: Say) -> Program:
        """Get the program; raises UnavailableError when this way does not work here."""
        ...


class ManagedService(ABC):
    """One database server: the ways to get its program, and its instances.

    `names` are its instances, keys of `PORTS`. A service of several instances (one a durability)
    can be given an address for each (`WINDTUNNEL_REDIS_SAFE_URL`) besides one for all.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    names: ClassVar[tuple[str, ...]]
    version_flag: ClassVar[str] = "--version"

    @property
    def variable(self) -> str:
        """The environment's variable with the address of a server that runs already."""
        return _url_variable(self.name)

    @property
    @abstractmethod
    def ways(self) -> Sequence[Way]:
        """The ways to get the program, best first."""

    def obtain(self, workspace: Workspace, say: Say) -> Program:
        """Try the ways in order; raises UnavailableError with the last one's reason if all fail."""
        if url := self._external_url(workspace):
            say(f"{self.title}: at {url} ({self.variable})")
            return Program(source=self.variable, path=None, url=url)
        failures: list[UnavailableError] = []
        for way in self.ways:
            try:
                program = way.obtain(workspace, lambda line: say(f"{self.title}: {line}"))
                version = self.version(program)
            except UnavailableError as error:
                failures.append(error)
                continue
            notes = "".join(f"; {failure.reason}" for failure in failures)
            say(f"{self.title} {version}: {program.source}{notes}")
            return program
        for failure in failures:
            say(f"{self.title}: {failure.reason}")
        raise self._unavailable(failures)

    @abstractmethod
    def prepare(self, workspace: Workspace, program: Program) -> list[Instance]:
        """Make data folders and configuration; may be called again after any kind of end.

        Raises UnavailableError when the folders cannot be made (disk full, another account's).
        """

    def version(self, program: Program) -> str:
        """Return the version, such as `18.4`; raises UnavailableError if the program cannot run."""
        if program.path is None:
            return "external"
        try:
            output = run([str(program.path), self.version_flag], env=program.env, merge_stderr=True)
        except CommandFailedError as error:
            raise UnavailableError(f"{program.source}: does not run here: {error}") from error
        match = re.search(r"\d+(\.\d+)+", output)
        return match.group() if match else output.splitlines()[0][:40]

    def own_instances(self, workspace: Workspace) -> list[str]:
        """Return the instances to start here: those without an address in the environment."""
        return [name for name in self.names if not _has_address(workspace, name)]

    def _external_url(self, workspace: Workspace) -> str | None:
        """Return the address in the environment, without its password, or None."""
        if url := workspace.environ.get(self.variable, "").strip():
            return without_password(url)
        return None if self.own_instances(workspace) else "an address for each instance"

    def _unavailable(self, failures: list[UnavailableError]) -> UnavailableError:
        fixes = [failure.fix for failure in failures if failure.fix]
        reason = failures[-1].reason if failures else "no way to get it is known"
        fix = fixes[-1] if fixes else f"set {self.variable} to a server's address"
        return UnavailableError(reason, fix)


def readable(program: Program, workspace: Workspace) -> Program:
    """Return the program; raises UnavailableError if the account that runs it cannot read it."""
    if workspace.account == NOBODY and not is_open_to_all(program.file):
        raise UnavailableError(
            f"{program.file} cannot be read by {NOBODY}, who runs servers for root"
        )
    return program


def announce_fetch(workspace: Workspace, say: Say, what: str) -> None:
    """Say that something is fetched now; raises UnavailableError if the workspace forbids it."""
    if not workspace.fetches:
        raise UnavailableError(f"{what} is not fetched yet", "windtunnel setup")
    say(f"fetching {what}")


def _has_address(workspace: Workspace, name: str) -> bool:
    return bool(workspace.environ.get(_url_variable(name), "").strip())


def _url_variable(name: str) -> str:
    return f"WINDTUNNEL_{name.upper().replace('-', '_')}_URL"
