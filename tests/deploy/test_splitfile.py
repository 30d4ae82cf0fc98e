"""`.run/split.toml`: the project's until somebody changes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy import splitfile
from deploy.layout import Layout
from deploy.ports import assign_ports
from deploy.services import Workspace
from deploy.splitfile import initial_plan, write_split
from nginx.plan import DEFAULT_FILE, edit_plan, read_plan
from nginx.split import SplitError


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(Workspace(tmp_path))


def test_the_first_up_takes_the_projects(layout: Layout) -> None:
    said: list[str] = []
    assert initial_plan(layout, said.append) == read_plan()
    assert layout.split.read_text() == DEFAULT_FILE.read_text()
    assert said == []


def test_an_edit_of_the_projects_counts_until_the_stack_has_its_own(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    initial_plan(layout, print)
    edited = tmp_path / "edited.toml"
    edited.write_text(DEFAULT_FILE.read_text().replace("processes = 3", "processes = 2"))
    monkeypatch.setattr(splitfile, "DEFAULT_FILE", edited)
    assert initial_plan(layout, print).processes("fast") == 2


def test_what_was_tuned_stays_and_is_told(layout: Layout) -> None:
    tuned = edit_plan(initial_plan(layout, print), {"pools.slow.processes": "2"})
    write_split(layout, tuned)
    said: list[str] = []
    assert initial_plan(layout, said.append) == tuned
    assert "windtunnel split reset" in said[0]


def test_a_wrong_file_is_named_with_its_line(layout: Layout) -> None:
    initial_plan(layout, print)
    layout.split.write_text(layout.split.read_text().replace("retries = 0", "retries = 99", 1))
    rule = r"split\.toml:\d+: pools\.fast\.retries: must be a whole number from 0 to 10, not 99"
    with pytest.raises(SplitError, match=rule):
        initial_plan(layout, print)


def test_pools_get_ports_that_nobody_holds() -> None:
    held = {"fast": (10001, 10002, 10003), "slow": (10004,), "gone": (10051,)}
    assigned = assign_ports({"fast": 2, "slow": 3, "new": 2}, held, 0)
    assert assigned == {
        "fast": (10001, 10002),
        "slow": (10004, 10005, 10006),
        "new": (10052, 10053),
    }
