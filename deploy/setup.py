"""Fetching every program once, so that `up` and a run need no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.layout import Layout, default_place
from deploy.locks import stack_lock
from deploy.processes import checked_nginx, databases
from deploy.services import ensure_all, prepare_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from deploy.services import Place


def setup_programs(
    say: Callable[[str], None],
    place: Place | None = None,
    names: Sequence[str] | None = None,
) -> dict[str, str]:
    """Fetch programs and make data folders; returns service -> why it cannot be had here.

    Raises StackError when there is no nginx, as nothing runs without it.
    """
    place = place or default_place()
    with stack_lock(Layout(place)):
        wanted = databases() if names is None else names
        programs, missing = ensure_all(place, [*wanted, "nginx"], say)
        checked_nginx(programs, missing)
        _, broken = prepare_all(place, programs)
    return {name: str(reason) for name, reason in (missing | broken).items()}
