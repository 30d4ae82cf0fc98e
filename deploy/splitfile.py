"""`.run/split.toml`: the split of one stack, for people to read and edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomlkit

from deploy.errors import StackError
from nginx.plan import DEFAULT_FILE, SplitPlan, read_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from deploy.layout import Layout

_ORIGIN = "split.origin.toml"


def initial_plan(layout: Layout, say: Callable[[str], None]) -> SplitPlan:
    """Return the plan to start with; raises SplitError.

    The file is a copy of the project's until somebody changes it; from then on it stays as it is.
    """
    origin, own_file = layout.root / _ORIGIN, layout.split
    if not own_file.exists() or (origin.exists() and origin.read_text() == own_file.read_text()):
        for file in (origin, own_file):
            file.write_text(DEFAULT_FILE.read_text())
    else:
        say(f"the split is that of {own_file}; back to the project's: windtunnel split reset")
    return read_plan(own_file)


def read_split(layout: Layout) -> SplitPlan:
    """Return the plan that the file says; raises SplitError."""
    return read_plan(layout.split if layout.split.exists() else DEFAULT_FILE)


def resized(plan: SplitPlan, fast: int | None, slow: int | None) -> SplitPlan:
    """Return the plan with other numbers of processes in `fast` and `slow`; raises StackError."""
    sizes = {pool: size for pool, size in (("fast", fast), ("slow", slow)) if size}
    for pool in sizes:
        if pool not in plan.pools:
            raise StackError(f"the split has no pool {pool}: see windtunnel split show")
    return plan.resized(sizes)


def write_split(layout: Layout, plan: SplitPlan) -> None:
    """Write a plan into the file; comments stay."""
    file = layout.split
    draft = file.with_suffix(".new")
    draft.write_text(updated_text((file if file.exists() else DEFAULT_FILE).read_text(), plan))
    draft.replace(file)


def updated_text(text: str, plan: SplitPlan) -> str:
    """Return the text of a split.toml with a plan's values in place, comments kept."""
    try:
        document = tomlkit.parse(text)
        _sync(document, plan.as_dict())
    except (tomlkit.exceptions.TOMLKitError, TypeError, AttributeError):
        return tomlkit.dumps(plan.as_dict())
    return tomlkit.dumps(document)


def _sync(document: Any, values: Mapping[str, Any]) -> None:
    for key in [key for key in document if key not in values]:
        if isinstance(document[key], dict) and key in {"methods", "headers"}:
            document[key].clear()
        else:
            del document[key]
    for key, value in values.items():
        if isinstance(value, dict) and key in document:
            _sync(document[key], value)
        elif key not in document or document[key] != value:
            document[key] = value
