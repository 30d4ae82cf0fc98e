"""Where programs, data and logs are, on which ports servers listen, and as which account."""

from __future__ import annotations

import hashlib
import os
import pwd
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PORTS: Mapping[str, int] = {
    "postgres": 15432,
    "mongo": 17017,
    "redis-volatile": 16379,
    "redis-fast": 16380,
    "redis-safe": 16381,
    "memcached": 11311,
    "mysql-fast": 13306,
    "mysql-safe": 13307,
    "elasticsearch": 19200,
    "elasticsearch-transport": 19300,
    "rethinkdb": 28115,
    "rethinkdb-cluster": 29115,
}
NOBODY = "nobody"
OPEN_FOLDER = Path("/var/lib/windtunnel")


@dataclass(frozen=True, slots=True)
class Workspace:
    """The `.run` folder with the ports of the instances that live in it.

    `programs_folder` may be shared by several workspaces. `ports` overrides single ports of
    `PORTS`, the others are moved by `offset`. Addresses (`WINDTUNNEL_POSTGRES_URL`) and PATH are
    read from `environ`. With `fetches` False nothing is downloaded: what is not here is missing.
    """

    root: Path
    ports: Mapping[str, int] = field(default_factory=dict)
    offset: int = 0
    programs_folder: Path | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    fetches: bool = True

    @property
    def home(self) -> Path:
        """`root`, or an open folder where root runs us in one that is closed to `nobody`."""
        root = self.root.absolute()
        if self.account is None or is_open_to_all(root):
            return root
        return OPEN_FOLDER / hashlib.sha256(str(root).encode()).hexdigest()[:12]

    @property
    def programs(self) -> Path:
        """Fetched programs, readable by the account that runs them."""
        return _folder(self.programs_folder or self.home / "programs")

    @property
    def data(self) -> Path:
        """One folder an instance and server version."""
        return _folder(self.home / "data")

    @property
    def log(self) -> Path:
        """Logs that a server insists on writing itself."""
        return _folder(self.home / "log")

    @property
    def account(self) -> str | None:
        """`nobody` when we are root, as PostgreSQL and Elasticsearch refuse root; else None."""
        return NOBODY if os.geteuid() == 0 else None

    def port(self, instance: str) -> int:
        """Return the port of an instance, after `ports` and `offset`."""
        return self.ports.get(instance, PORTS[instance] + self.offset)


def is_open_to_all(path: Path) -> bool:
    """Return whether all accounts may enter every folder on the way, and execute the file."""
    existing = [step for step in (path, *path.parents) if step.exists()]
    return all(step.stat().st_mode & 0o001 for step in existing)


def chown_tree(path: Path, account: str | None) -> None:
    """Give a folder and all in it to the account, unless the folder is its own already."""
    if account is None:
        return
    entry = pwd.getpwnam(account)
    if path.stat().st_uid == entry.pw_uid:
        return
    for folder, _, files in os.walk(path):
        for name in files:
            os.lchown(os.path.join(folder, name), entry.pw_uid, entry.pw_gid)  # noqa: PTH118
        if Path(folder) != path:
            os.lchown(folder, entry.pw_uid, entry.pw_gid)
    os.chown(path, entry.pw_uid, entry.pw_gid)  # last: it marks the whole tree as done


def _folder(path: Path) -> Path:
    for step in reversed([path, *path.parents]):
        if not step.exists():
            step.mkdir(mode=0o755, exist_ok=True)
            step.chmod(0o755)  # whatever the umask is
    return path


def group_of(account: str | None) -> int | None:
    """Return the account's own group, None for no account."""
    return pwd.getpwnam(account).pw_gid if account else None
