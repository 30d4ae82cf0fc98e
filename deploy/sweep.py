"""Leaving nothing: what runs is stopped in order, what was left behind is ended."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psutil

from deploy import orphans
from deploy.supervisor import GONE, Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

    from deploy.layout import Layout


def sweep(layout: Layout, say: Callable[[str], None]) -> bool:
    """Leave no process of this place: a whole stack stops in order, leftovers are ended."""
    layout.state.unlink(missing_ok=True)
    supervisor, found = Supervisor(layout), False
    if pid := supervisor.pid():
        found = True
        say("stopping nginx, then the servers, then the databases")
        with contextlib.suppress(*GONE):
            supervisor.shutdown()
        _await_end(pid)
    if left := orphans.find(layout.root, supervisor.log):
        found = True
        say(f"ending {len(left)} processes that an earlier stack left")
        orphans.end(left)
    layout.socket().unlink(missing_ok=True)
    return found


def _await_end(pid: int) -> None:
    with contextlib.suppress(psutil.Error):
        psutil.Process(pid).wait(timeout=20)
