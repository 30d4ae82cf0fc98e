"""How many files and sockets this process may have open at once: as many as it is allowed to."""

from __future__ import annotations

import contextlib
import resource
from typing import Final

SPARE: Final = 200
"""Descriptors beside the connections: the interpreter's, logs, results, the web UI's."""

_AMPLE: Final = 1 << 20
"""More than any system lets a process have where it says that there is no limit."""


def allow(connections: int = 0) -> str | None:
    """Raise the soft limit as far as the hard one allows.

    Returns None if `connections` fit, or a line that says what to do.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _AMPLE if hard == resource.RLIM_INFINITY else hard
    for wanted in (most, connections + SPARE):
        if 0 <= soft < wanted <= most:
            with contextlib.suppress(ValueError, OSError):  # macOS caps lower than it says
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY or soft >= connections + SPARE:
        return None
    return (
        f"{connections} connections do not fit into {soft} open files, the most allowed here: "
        f"raise the hard limit (ulimit -Hn {connections + SPARE} as root, or LimitNOFILE=), "
        f"or load with at most {max(0, soft - SPARE)} users"
    )
