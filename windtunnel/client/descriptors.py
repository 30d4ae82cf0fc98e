"""The limit of files and sockets that this process may have open at once."""

from __future__ import annotations

import contextlib
import resource
from typing import Final

RESERVED: Final = 200
"""Descriptors beside the connections: the interpreter's, logs, results, the web UI's."""

_UNLIMITED: Final = 1 << 20
"""More than any system allows a process where the hard limit is infinite."""


def raise_limit(connections: int = 0) -> str | None:
    """Raise the soft limit as far as the hard limit allows.

    Returns None if `connections` fit, or a line that says what to do.
    """
    needed = connections + RESERVED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = _UNLIMITED if hard == resource.RLIM_INFINITY else hard
    for limit in (highest, needed):
        if 0 <= soft < limit <= highest:
            with contextlib.suppress(ValueError, OSError):  # macOS caps lower than it says
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return None
    return (
        f"{connections} connections do not fit into {soft} open files, the most allowed here: "
        f"raise the hard limit (ulimit -Hn {needed} as root, or LimitNOFILE=), "
        f"or load with at most {max(0, soft - RESERVED)} users"
    )
