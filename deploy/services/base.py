"""What a database server is to us: a program that is got, and the instances made of it."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

from deploy.services.shell import Failed, run
from deploy.services.workspace import NOBODY, PORTS, Workspace, reachable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = [
    "PORTS",
    "Instance",
    "Missing",
    "Program",
    "Say",
    "Service",
    "Way",
    "Workspace",
    "announce",
]

Say = Callable[[str], None]


class Missing(Exception):  # noqa: N818 - it is a finding, not a fault
    """Something cannot be had here: the reason in one line, and the command that mends it."""

    def __init__(self, reason: str, mend: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.reason}; to mend: {self.mend}" if self.mend else self.reason


@dataclass(frozen=True, slots=True)
class Program:
    """A server's program: where it came from, its file (None: a server runs at `url` already)."""

    source: str
    path: Path | None
    env: Mapping[str, str] = field(default_factory=dict)
    url: str | None = None

    @property
    def external(self) -> bool:
        """Whether the environment gave an address, so that there is nothing to start."""
        return self.path is None

    @property
    def file(self) -> Path:
        """The program's file; raises Missing for an external server."""
        if self.path is None:
            raise Missing(f"the server at {self.url} is not ours to start")
        return self.path


@dataclass(frozen=True, slots=True)
class Instance:
    """One server process to supervise."""

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
        """Gets it; raises Missing with the reason when this way leads nowhere here."""
        ...


class Service(ABC):
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
        return _variable(self.name)

    @property
    @abstractmethod
    def ways(self) -> Sequence[Way]:
        """The ways to get the program, best first."""

    def obtain(self, workspace: Workspace, say: Say) -> Program:
        """Tries the ways in order; raises Missing with the last way's reason when none works."""
        if url := self._address(workspace):
            say(f"{self.title}: at {url} ({self.variable})")
            return Program(source=self.variable, path=None, url=url)
        failed: list[Missing] = []
        for way in self.ways:
            try:
                program = way.obtain(workspace, lambda line: say(f"{self.title}: {line}"))
                version = self.version(program)
            except Missing as missing:
                failed.append(missing)
                continue
            also = "".join(f"; {missing.reason}" for missing in failed)
            say(f"{self.title} {version}: {program.source}{also}")
            return program
        raise self._none(failed, say)

    @abstractmethod
    def prepare(self, workspace: Workspace, program: Program) -> list[Instance]:
        """Makes data folders and configuration; may be called again after any kind of end.

        Raises Missing when the folders cannot be made (disk full, another account's leftovers).
        """

    def version(self, program: Program) -> str:
        """The program's own word, such as `18.4`; raises Missing when it does not run here."""
        if program.path is None:
            return "external"
        try:
            said = run([str(program.path), self.version_flag], env=program.env, both=True)
        except Failed as failed:
            raise Missing(f"{program.source}: does not run here: {failed}") from failed
        found = re.search(r"\d+(\.\d+)+", said)
        return found.group() if found else said.splitlines()[0][:40]

    def own_instances(self, workspace: Workspace) -> list[str]:
        """The instances to start here: those that the environment gives no address of their own."""
        return [name for name in self.names if not workspace.environ.get(_variable(name))]

    def _address(self, workspace: Workspace) -> str | None:
        given = workspace.environ.get(self.variable)
        return given or (None if self.own_instances(workspace) else "addresses of their own")

    def _none(self, failed: list[Missing], say: Say) -> Missing:
        for missing in failed:
            say(f"{self.title}: {missing.reason}")
        mends = [missing.mend for missing in failed if missing.mend]
        reason = failed[-1].reason if failed else "no way to get it is known"
        return Missing(reason, mends[-1] if mends else f"set {self.variable} to a server's address")


def readable(program: Program, workspace: Workspace) -> Program:
    """The program again; raises Missing when the account that must run it cannot read it."""
    if workspace.account == NOBODY and not reachable(program.file):
        raise Missing(f"{program.file} cannot be read by {NOBODY}, who runs servers for root")
    return program


def announce(workspace: Workspace, say: Say, what: str) -> None:
    """Says that something is fetched now; raises Missing in a workspace that fetches nothing."""
    if not workspace.fetches:
        raise Missing(f"{what} is not fetched yet", "windtunnel setup")
    say(f"fetching {what}")


def _variable(name: str) -> str:
    return f"WINDTUNNEL_{name.upper().replace('-', '_')}_URL"
