"""What the client costs, beside Locust's FastHttpUser: CPU a request, memory a user, connections.

The same nginx gives both the same answer, both make the same checks and tell the same listeners
of Locust's. Requests are compared in pairs within one process, memory between fresh ones.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from statistics import median
from typing import Any, Final

from benchmarks.check import Verdict
from benchmarks.fixed_nginx import Fixed, fixed
from deploy.services import UnavailableError

CPU_LIMIT: Final = 0.25
MEMORY_LIMIT: Final = 0.50
USERS: Final = 10_000


def client() -> Iterator[Verdict]:
    """Measure all three."""
    try:
        with fixed() as nginx:
            yield _cpu(nginx)
        yield from _memory(USERS)
    except UnavailableError as reason:
        yield Verdict("the client, beside FastHttpUser", f"not measured: {reason}", "", None)


def _cpu(nginx: Fixed) -> Verdict:
    found = told("cost", nginx.url)
    ratios = sorted(a / b for a, b in zip(found["lean"], found["fast"], strict=True))
    ratio, lean, fast = median(ratios), median(found["lean"]), median(found["fast"])
    return Verdict(
        "a checked request, beside FastHttpUser's",
        f"{lean:.1f} us / {fast:.1f} us = {ratio:.3f} "
        f"({ratios[0]:.3f} to {ratios[-1]:.3f} over {len(ratios)} pairs)",
        f"{CPU_LIMIT:.2f}",
        ratio <= CPU_LIMIT and not found["failed"],
    )


def _memory(users: int) -> Iterator[Verdict]:
    name = f"a user's memory, of {users:,}, beside FastHttpUser's"
    with fixed() as nginx:
        lean = told("memory", "lean", nginx.url, str(users))
        connections = nginx.connections()
    if "reason" in lean:
        yield Verdict(name, f"not measured: {lean['reason']}", f"{MEMORY_LIMIT:.2f}", None)
        return
    with fixed() as nginx:
        fast = told("memory", "fast", nginx.url, str(users))
        theirs = nginx.connections()
    ratio = lean["kilobytes"] / fast["kilobytes"]
    yield Verdict(
        name,
        f"{lean['kilobytes']:.1f} kB / {fast['kilobytes']:.1f} kB = {ratio:.3f}",
        f"{MEMORY_LIMIT:.2f}",
        ratio <= MEMORY_LIMIT and not lean["failed"],
    )
    yield Verdict(
        f"connections of {users:,} users, counted by nginx (FastHttpUser's: {theirs:,})",
        f"{connections:,}",
        f"{users:,}",
        connections == users,
    )


def told(*arguments: str) -> dict[str, Any]:
    """Return what `benchmarks.client_users` says in a process of its own; raises RuntimeError."""
    command = [sys.executable, "-m", "benchmarks.client_users", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    if done.returncode:
        raise RuntimeError(f"the users that were to be measured failed: {done.stderr[-500:]}")
    return dict(json.loads(done.stdout))
