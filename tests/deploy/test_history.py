"""The history of a split on disk, written today and by versions without kinds of change."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from deploy.history import ChangeKind, SplitChange, history_stamp, read_history, record, undoable
from deploy.services import Workspace

EDIT = SplitChange(
    number=1,
    kind=ChangeKind.EDIT,
    by="split set",
    when=datetime(2026, 1, 2, tzinfo=UTC),
    before={"pools": {}},
    after={"pools": {}},
    differences=[("pools.fast.retries", "0", "1")],
    apply_s=1.5,
    clean_s=None,
    serving_at=1000.5,
    clean_at=None,
)
TRIAL = replace(EDIT, number=2, kind=ChangeKind.TRIAL, by="tune")
UNDO = replace(EDIT, number=3, kind=ChangeKind.UNDO, by="split undo", undoes=1)


def test_what_is_recorded_is_read_back(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert (read_history(workspace), history_stamp(workspace)) == ([], None)
    for change in (EDIT, TRIAL, UNDO):
        record(workspace, change)
    assert read_history(workspace) == [EDIT, TRIAL, UNDO]


def test_a_change_that_has_drained_replaces_itself(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    drained = replace(TRIAL, clean_s=2.5, clean_at=1001.5)
    for change in (EDIT, TRIAL, drained):
        record(workspace, change)
    assert read_history(workspace) == [EDIT, drained]


def test_a_history_without_kinds_is_read(tmp_path: Path) -> None:
    lines = []
    for change, undoes in ((EDIT, None), (TRIAL, 0), (UNDO, 1)):
        fields = change.as_dict() | {"undoes": undoes}
        del fields["kind"]
        lines.append(json.dumps(fields) + "\n")
    (tmp_path / "split.jsonl").write_text("".join(lines))
    assert read_history(Workspace(tmp_path)) == [EDIT, TRIAL, UNDO]


def test_undo_passes_over_trials_and_what_is_undone() -> None:
    later = replace(EDIT, number=4)
    assert undoable([]) is None
    assert undoable([EDIT, TRIAL]) == EDIT
    assert undoable([EDIT, TRIAL, UNDO]) is None
    assert undoable([EDIT, TRIAL, UNDO, later]) == later
