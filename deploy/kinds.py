"""What a program is to the stack, told by its name."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """In the order in which they are stopped: no request is accepted that cannot be answered."""

    NGINX = "nginx"
    SERVER = "server"
    DATABASE = "database"

    @property
    def patience(self) -> int:
        """Seconds from the stop signal to SIGKILL."""
        return {"nginx": 20, "server": 60, "database": 40}[self]


def kind(name: str) -> Kind:
    """The kind of the program of this name."""
    if name == "nginx":
        return Kind.NGINX
    return Kind.SERVER if name.startswith(("server-", "gunicorn-")) else Kind.DATABASE
