"""Where a stack lives and which ports its processes take."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.errors import StackError
from deploy.services import Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROJECT = Path(__file__).resolve().parent.parent
NGINX_PORT = 10000
FIRST_PORT = 10001
MARK = "WINDTUNNEL_RUN"
"""The variable in each process's environment that says which stack it belongs to."""

_FAST = (FIRST_PORT, 10002, 10003, *range(10011, 10100))
_SLOW = (*range(10004, 10011), *range(10051, 10100))
_OTHERS = (*range(10051, 10100), *range(10011, 10051))
_HIGHEST_OFFSET = 65535 - 29115
_SOCKET_LIMIT = 90  # of the kernel's 108 bytes; supervisord adds its pid while it binds


def default_place() -> Place:
    """`.run` of this project, or the folder WINDTUNNEL_FOLDER; WINDTUNNEL_OFFSET moves every port.

    Fetched programs are shared by all folders. Raises StackError for an offset that is no number.
    """
    usual = PROJECT / ".run"
    root = Path(os.environ.get("WINDTUNNEL_FOLDER") or usual).absolute()
    offset = os.environ.get("WINDTUNNEL_OFFSET") or "0"
    if not offset.isdecimal() or int(offset) > _HIGHEST_OFFSET:
        raise StackError(f"WINDTUNNEL_OFFSET={offset}: give a number from 0 to {_HIGHEST_OFFSET}")
    shared = None if root == usual else Place(usual).programs
    return Place(root, offset=int(offset), programs_folder=shared)


@dataclass(frozen=True, slots=True)
class Layout:
    """The files and ports of one stack; `place.offset` moves all ports."""

    place: Place

    @property
    def root(self) -> Path:
        """The `.run` folder."""
        return self.place.root.absolute()

    @property
    def log(self) -> Path:
        """One log file a program, `<name>.log`."""
        return self.root / "log"

    @property
    def nginx(self) -> Path:
        """Everything of nginx."""
        return self.root / "nginx"

    @property
    def state(self) -> Path:
        """What runs, written when all is ready."""
        return self.root / "stack.json"

    @property
    def split(self) -> Path:
        """The split of this stack, for people."""
        return self.root / "split.toml"

    @property
    def nginx_port(self) -> int:
        """Where nginx listens."""
        return NGINX_PORT + self.place.offset

    def allot(
        self, numbers: Mapping[str, int], held: Mapping[str, Sequence[int]]
    ) -> dict[str, tuple[int, ...]]:
        """Ports for so many processes a pool, in order; a pool keeps those that it holds already.

        Raises StackError when there are no more.
        """
        taken = {port for ports in held.values() for port in ports}
        given: dict[str, tuple[int, ...]] = {}
        for pool, number in numbers.items():
            kept = sorted(held.get(pool, ()))[:number]
            free = (port for port in self._known(pool) if port not in taken)
            fresh = list(islice(free, number - len(kept)))
            if len(kept) + len(fresh) < number:
                raise StackError(f"there is no port for {number} processes in the {pool} pool")
            taken |= {*fresh}
            given[pool] = tuple(sorted([*kept, *fresh]))
        return given

    def _known(self, pool: str) -> list[int]:
        known = {"fast": _FAST, "slow": _SLOW}.get(pool, _OTHERS)
        return [port + self.place.offset for port in known]

    def socket(self) -> Path:
        """The supervisor's control socket; in a private folder of ours if our path is too long."""
        inside = self.root / "supervisor.sock"
        if len(os.fsencode(inside)) <= _SOCKET_LIMIT:
            return inside
        return _private_folder(self.root) / "supervisor.sock"


def _private_folder(root: Path) -> Path:
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"windtunnel-{os.geteuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.lstat()
    if folder.is_symlink() or about.st_uid != os.geteuid() or about.st_mode & 0o077:
        raise StackError(f"{folder} is not a private folder of ours: remove it")
    return folder
