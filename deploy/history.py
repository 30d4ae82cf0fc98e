"""`.run/split.jsonl`: every change of a stack's split, a line of JSON each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from deploy.layout import Layout, default_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.services import Workspace


class ChangeKind(StrEnum):
    """What a change of the split is for."""

    EDIT = "edit"
    """Somebody wants this split from now on."""
    UNDO = "undo"
    """It takes back an edit."""
    TRIAL = "trial"
    """A run or a tune measures it and puts the former split back; `undo` passes it over."""


@dataclass(frozen=True, slots=True)
class SplitChange:
    """One change of the split; `before` and `after` have the shape of split.toml.

    `apply_s` (until the new split was active) and `clean_s` (until the old workers of nginx had
    drained) are seconds since the change began; `serving_at` and `clean_at` are the same moments in
    Unix seconds. `clean_s` and `clean_at` are None if the change was interrupted while old workers
    drained. `undoes` is the number of the edit that an undo takes back.
    """

    number: int
    kind: ChangeKind
    by: str
    when: datetime
    before: dict[str, Any]
    after: dict[str, Any]
    differences: list[tuple[str, str, str]]
    apply_s: float
    clean_s: float | None
    serving_at: float
    clean_at: float | None
    undoes: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the change as JSON has it."""
        return {**asdict(self), "when": self.when.isoformat()}


def read_history(workspace: Workspace | None = None) -> list[SplitChange]:
    """Return every change of the workspace's split, the oldest first."""
    path = _path(workspace)
    return [_parse(line) for line in path.read_text().splitlines()] if path.exists() else []


def history_stamp(workspace: Workspace | None = None) -> tuple[int, int] | None:
    """Return a value that differs once the history has changed; None before the first change."""
    try:
        status = _path(workspace).stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size


def record(workspace: Workspace, change: SplitChange) -> None:
    """Append a change to the history, or replace the last one if it has the same number."""
    path = _path(workspace)
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    draft = path.with_suffix(".new")
    draft.write_bytes(
        b"".join(lines[: change.number - 1]) + json.dumps(change.as_dict()).encode() + b"\n"
    )
    draft.replace(path)


def undoable(changes: list[SplitChange]) -> SplitChange | None:
    """Return the last edit that is not taken back yet."""
    undone = {change.undoes for change in changes}
    edits = (c for c in reversed(changes) if c.kind is ChangeKind.EDIT and c.number not in undone)
    return next(edits, None)


def _path(workspace: Workspace | None) -> Path:
    return Layout(workspace or default_workspace()).root / "split.jsonl"


@lru_cache(maxsize=4096)
def _parse(line: str) -> SplitChange:
    """Parse a line once: the live page asks for all of them after each change."""
    fields = json.loads(line)
    fields["when"] = datetime.fromisoformat(fields["when"])
    fields["differences"] = [tuple(difference) for difference in fields["differences"]]
    fields["kind"] = ChangeKind(fields.get("kind") or _kind_of_old_record(fields["undoes"]))
    fields["undoes"] = fields["undoes"] or None
    return SplitChange(**fields)


def _kind_of_old_record(undoes: int | None) -> ChangeKind:
    """Return the kind of a change recorded before there were kinds, when 0 marked a trial."""
    return {None: ChangeKind.EDIT, 0: ChangeKind.TRIAL}.get(undoes, ChangeKind.UNDO)
