"""Where a stack lives and which ports its processes take."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.errors import StackError

if TYPE_CHECKING:
    from deploy.services import Place

PROJECT = Path(__file__).resolve().parent.parent
NGINX_PORT = 10000
MARK = "WINDTUNNEL_RUN"
"""The variable in each process's environment that says which stack it belongs to."""

_FAST = (10001, 10002, 10003, *range(10011, 10100))
_SLOW = tuple(range(10004, 10011))
_SOCKET_LIMIT = 90  # of the kernel's 108 bytes; supervisord adds its pid while it binds


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
    def nginx_port(self) -> int:
        """Where nginx listens."""
        return NGINX_PORT + self.place.offset

    def ports(self, pool: str, processes: int) -> tuple[int, ...]:
        """The ports of a pool of so many processes; a larger pool keeps a smaller one's ports."""
        known = _SLOW if pool == "slow" else _FAST
        if not 1 <= processes <= len(known):
            raise StackError(f"the {pool} pool takes 1 to {len(known)} processes, not {processes}")
        return tuple(port + self.place.offset for port in known[:processes])

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
