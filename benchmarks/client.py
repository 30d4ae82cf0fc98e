"""What the client costs, against Locust's FastHttpUser: CPU, memory and connections.

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

CPU_LIMIT: Final = 0.18
"""CPU time of a checked request, as a share of FastHttpUser's; 0.157 was measured on 28 November
2026 (0.153 to 0.159 over 15 pairs)."""

MEMORY_LIMIT: Final = 0.50
"""Memory of a user, as a share of FastHttpUser's; 0.493 was measured on 28 November 2026."""

USERS: Final = 10_000


def client() -> Iterator[Check]:
    """CPU, memory and connections of the client, against FastHttpUser's."""
    try:
        with fixed_nginx() as nginx:
            yield _cpu(nginx)
        yield from _memory(USERS)
    except UnavailableError as reason:
        yield Check("the client, against FastHttpUser", f"not measured: {reason}", "", None)


def _cpu(nginx: FixedNginx) -> Check:
    costs = _measure("cost", nginx.url)
    ratios = sorted(a / b for a, b in zip(costs["own"], costs["locust"], strict=True))
    ratio, own_us, locust_us = median(ratios), median(costs["own"]), median(costs["locust"])
    return Check(
        "CPU of a checked request, against FastHttpUser's",
        f"{own_us:.1f} us / {locust_us:.1f} us = {ratio:.3f} "
        f"({ratios[0]:.3f} to {ratios[-1]:.3f} over {len(ratios)} pairs)",
        f"{CPU_LIMIT:.2f}",
        ratio <= CPU_LIMIT and not costs["failed"],
    )


def _memory(users: int) -> Iterator[Check]:
    name = f"memory of a user, of {users:,}, against FastHttpUser's"
    with fixed_nginx() as nginx:
        own = _measure("memory", "own", nginx.url, str(users))
        connections = nginx.connections()
    if "reason" in own:
        yield Check(name, f"not measured: {own['reason']}", f"{MEMORY_LIMIT:.2f}", None)
        return
    with fixed_nginx() as nginx:
        locust = _measure("memory", "locust", nginx.url, str(users))
        locust_connections = nginx.connections()
    ratio = own["kilobytes"] / locust["kilobytes"]
    yield Check(
        name,
        f"{own['kilobytes']:.1f} kB / {locust['kilobytes']:.1f} kB = {ratio:.3f}",
        f"{MEMORY_LIMIT:.2f}",
        ratio <= MEMORY_LIMIT and not own["failed"],
    )
    yield Check(
        f"connections of {users:,} users, counted by nginx "
        f"(FastHttpUser's: {locust_connections:,})",
        f"{connections:,}",
        f"{users:,}",
        connections == users,
    )


def _measure(*arguments: str) -> dict[str, Any]:
    """Return what `benchmarks.client_users` measures, in a process of its own."""
    return dict(json.loads(run_module("benchmarks.client_users", *arguments)))
