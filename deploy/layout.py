"""The files of a stack, all in one folder."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import StackError
from deploy.ports import FIRST_PORT, HIGHEST_OFFSET, NGINX_PORT
from deploy.services import Workspace

PROJECT = Path(__file__).resolve().parent.parent
RUN_VARIABLE = "WINDTUNNEL_RUN"
"""The variable in each process's environment that says which stack it belongs to."""

_SOCKET_LIMIT = 90  # of the kernel's 108 bytes; supervisord adds its pid while it binds


def default_workspace() -> Workspace:
    """Return `.run` of this project, or the folder WINDTUNNEL_FOLDER.

    WINDTUNNEL_OFFSET moves every port. Fetched programs are shared by all folders. Raises
    StackError for an offset that is not a number.
    """
    usual = PROJECT / ".run"
    root = Path(os.environ.get("WINDTUNNEL_FOLDER") or usual).absolute()
    offset = os.environ.get("WINDTUNNEL_OFFSET") or "0"
    if not offset.isdecimal() or int(offset) > HIGHEST_OFFSET:
        raise StackError(f"WINDTUNNEL_OFFSET={offset}: give a number from 0 to {HIGHEST_OFFSET}")
    shared = None if root == usual else Workspace(usual).programs
    return Workspace(root, offset=int(offset), programs_folder=shared)


def default_url() -> str:
    """Return the address of the default workspace's first process, up or not."""
    return f"http://127.0.0.1:{FIRST_PORT + default_workspace().offset}"


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of the stack in a workspace, and nginx's port."""

    workspace: Workspace

    @property
    def root(self) -> Path:
        """The `.run` folder."""
        return self.workspace.root.absolute()

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
        """The split of this stack, to be edited by people."""
        return self.root / "split.toml"

    @property
    def nginx_port(self) -> int:
        """Where nginx listens."""
        return NGINX_PORT + self.workspace.offset

    def log_files(self) -> dict[str, Path]:
        """Return the logs by program, supervisord's own among them."""
        return {path.stem: path for path in sorted(self.log.glob("*.log"))}

    def socket(self) -> Path:
        """The supervisor's control socket; in a private temporary folder if our path is too long.

        Raises StackError if that folder belongs to somebody else.
        """
        inside = self.root / "supervisor.sock"
        if len(os.fsencode(inside)) <= _SOCKET_LIMIT:
            return inside
        return _private_folder(self.root) / "supervisor.sock"


def _private_folder(root: Path) -> Path:
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"windtunnel-{os.geteuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise StackError(f"{folder} is not a private folder of this account: remove it")
    return folder
