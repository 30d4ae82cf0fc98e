"""`stack.json`: what runs, for whoever asks from outside; it is there only while all is ready."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from deploy.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Program:
    """One supervised program; `service` is a database's name, a pool's name, or nginx."""

    kind: str
    service: str
    port: int
    pid: int


@dataclass(frozen=True, slots=True)
class StackState:
    """The contents of `stack.json`; `split` is the plan in force, in the shape of split.toml."""

    supervisor_pid: int
    programs: Mapping[str, Program]
    nginx: str
    processes: list[str]
    missing: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)
    nginx_binary: str = ""
    split: Mapping[str, Any] = field(default_factory=dict)

    def ports(self, pool: str) -> tuple[int, ...]:
        """The ports of a pool's processes, in order."""
        return self.pools().get(pool, ())

    def pools(self) -> dict[str, tuple[int, ...]]:
        """The ports of each pool's processes, in order."""
        found: dict[str, tuple[int, ...]] = {}
        for program in self.programs.values():
            if program.kind == Kind.SERVER:
                ports = (*found.get(program.service, ()), program.port)
                found[program.service] = tuple(sorted(ports))
        return found

    def write(self, path: Path) -> None:
        """Put it on disk, whole or not at all."""
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        draft.replace(path)


def read(path: Path) -> StackState | None:
    """The state on disk; None when there is none or it is not whole."""
    try:
        told = json.loads(path.read_text())
        programs = {name: Program(**facts) for name, facts in told.pop("programs").items()}
        return StackState(programs=programs, **told)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
