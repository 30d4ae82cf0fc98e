"""What the client costs, beside Locust's FastHttpUser: CPU a request, memory a user, connections.

The same nginx gives both the same response, both make the same checks and report to the same
listeners of Locust's. Requests are compared in pairs within one process, memory between fresh ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from statistics import median
from typing import Any, Final

from benchmarks.fixed_nginx import FixedNginx, fixed_nginx
from benchmarks.harness import Check
from benchmarks.processes import run_module
from deploy.services import UnavailableError

CPU_LIMIT: Final = 0.25
"""CPU time of a checked request, as a share of FastHttpUser's; 0.158 was measured on 21 November
2026."""

MEMORY_LIMIT: Final = 0.50
"""Memory of a user, as a share of FastHttpUser's."""

USERS: Final = 10_000


def client() -> Iterator[Check]:
    """CPU, memory and connections of the client, beside FastHttpUser's."""
    try:
        with fixed_nginx() as nginx:
            yield _cpu(nginx)
        yield from _memory(USERS)
    except UnavailableError as reason:
        yield Check("the client, beside FastHttpUser", f"not measured: {reason}", "", None)


def _cpu(nginx: FixedNginx) -> Check:
    costs = _measure("cost", nginx.url)
    ratios = sorted(a / b for a, b in zip(costs["lean"], costs["fast"], strict=True))
    ratio, lean_us, fast_us = median(ratios), median(costs["lean"]), median(costs["fast"])
    return Check(
        "a checked request, beside FastHttpUser's",
        f"{lean_us:.1f} us / {fast_us:.1f} us = {ratio:.3f} "
        f"({ratios[0]:.3f} to {ratios[-1]:.3f} over {len(ratios)} pairs)",
        f"{CPU_LIMIT:.2f}",
        ratio <= CPU_LIMIT and not costs["failed"],
    )


def _memory(users: int) -> Iterator[Check]:
    name = f"a user's memory, of {users:,}, beside FastHttpUser's"
    with fixed_nginx() as nginx:
        lean = _measure("memory", "lean", nginx.url, str(users))
        connections = nginx.connections()
    if "reason" in lean:
        yield Check(name, f"not measured: {lean['reason']}", f"{MEMORY_LIMIT:.2f}", None)
        return
    with fixed_nginx() as nginx:
        fast = _measure("memory", "fast", nginx.url, str(users))
        fast_connections = nginx.connections()
    ratio = lean["kilobytes"] / fast["kilobytes"]
    yield Check(
        name,
        f"{lean['kilobytes']:.1f} kB / {fast['kilobytes']:.1f} kB = {ratio:.3f}",
        f"{MEMORY_LIMIT:.2f}",
        ratio <= MEMORY_LIMIT and not lean["failed"],
    )
    yield Check(
        f"connections of {users:,} users, counted by nginx (FastHttpUser's: {fast_connections:,})",
        f"{connections:,}",
        f"{users:,}",
        connections == users,
    )


def _measure(*arguments: str) -> dict[str, Any]:
    """Return what `benchmarks.client_users` measures, in a process of its own."""
    return dict(json.loads(run_module("benchmarks.client_users", *arguments)))
