"""supervisord's configuration: a main file, and a section a program."""

from __future__ import annotations

import getpass
import os
import resource
import shlex
from typing import TYPE_CHECKING

from deploy.kinds import Kind, kind

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.services import Instance

RETRIES = 5
"""How often a program that dies at once is started again; then it stays down."""

STARTED = 5
"""Seconds below which a program died at once: a Tornado process imports for one on a busy core."""


def main_section(*, socket: Path, log: Path, pid_file: Path, parts: str) -> str:
    """The file that supervisord is started with; `parts` is a glob beside it."""
    lines: dict[str, dict[str, object]] = {
        "unix_http_server": {"file": socket, "chmod": "0700"},
        "supervisord": {
            "logfile": log,
            "logfile_maxbytes": 0,  # it names the pid of everything we started: never cut it
            "pidfile": pid_file,
            "minfds": _descriptors(),
            **({"user": getpass.getuser()} if os.geteuid() == 0 else {}),
        },
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
        "include": {"files": parts},
    }
    return "\n".join(_section(name, values) for name, values in lines.items())


def program_section(instance: Instance, log: Path) -> str:
    """The section that keeps an instance running, with its output in `log`."""
    what = kind(instance.name)
    environment = [f"{name}={value}" for name, value in instance.env.items()]
    prefix = ["/usr/bin/env", *environment] if environment else []
    values: dict[str, object] = {
        "command": shlex.join([*prefix, *instance.command]),
        "directory": instance.cwd,
        "priority": 100 - 10 * list(Kind).index(what),
        "autorestart": "true",
        "startsecs": STARTED,
        "startretries": RETRIES,
        "stopsignal": instance.stop_signal,
        "stopwaitsecs": what.patience,
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": log,
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": 1,
    }
    if instance.user:
        values["user"] = instance.user
    return _section(f"program:{instance.name}", values)


def _section(name: str, values: dict[str, object]) -> str:
    lines = [f"{key}={str(value).replace('%', '%%')}" for key, value in values.items()]
    return "\n".join([f"[{name}]", *lines, ""])


def _descriptors() -> int:
    """Enough for thousands of connections to one process, where the account may have them."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return min(16384, hard) if hard > 0 else 16384
