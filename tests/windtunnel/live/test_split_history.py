"""The page gets little of a long history: reading it must not disturb the load."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy import splits
from deploy.lifecycle import ensure_up
from deploy.stack import Stack
from tests.stacks import own_workspace
from tests.windtunnel.interface import Interface
from tests.windtunnel.page_client import PageClient

MANY = 1000


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with own_workspace() as workspace, pytest.MonkeyPatch.context() as patch:
        patch.setenv("WINDTUNNEL_FOLDER", str(workspace.root))
        patch.setenv("WINDTUNNEL_OFFSET", str(workspace.offset))
        yield ensure_up([], 1, 1, workspace=workspace)


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[PageClient]:
    shown = Interface("--host", stack.state.nginx)
    yield PageClient(shown)
    shown.close()


@pytest.fixture
def file(stack: Stack) -> Iterator[Path]:
    """The history, made by the test; the former one is back afterwards."""
    path = stack.layout.root / "split.jsonl"
    former = path.read_bytes() if path.exists() else None
    yield path
    path.unlink(missing_ok=True) if former is None else path.write_bytes(former)


def change(stack: Stack, number: int, age: float, *, by: str, undoes: int | None) -> dict[str, Any]:
    split, at = splits.active_plan(stack).as_dict(), time.time() - age
    sizes = [(f"pools.{pool}.processes", "1", "2") for pool in ("fast", "slow")]
    return {
        "number": number, "by": by, "when": "2026-11-21T00:00:00+00:00", "before": split,
        "after": split, "differences": sizes, "apply_s": 0.5, "clean_s": 1.0,
        "serving_at": at, "clean_at": at + 0.5, "undoes": undoes,
    }  # fmt: skip


def write(file: Path, changes: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(edit) + "\n" for edit in changes))


def read_status(client: PageClient) -> tuple[int, dict[str, Any]]:
    answer = client.request("GET", "/windtunnel/split")
    assert answer.status == 200
    return len(answer.body), json.loads(answer.body)


def numbers(status: dict[str, Any], *, trial: bool) -> list[int]:
    return [edit["number"] for edit in status["history"] if edit["trial"] is trial]


def test_a_thousand_old_changes_are_listed_as_one(
    stack: Stack, client: PageClient, file: Path
) -> None:
    write(file, [])
    none, _ = read_status(client)
    old = [change(stack, n, 3600, by="tune", undoes=0) for n in range(1, MANY)]
    own = change(stack, 3, 7200, by="page", undoes=None)
    write(file, [*old[:2], own, *old[3:], change(stack, MANY, 0, by="tune", undoes=0)])
    many, status = read_status(client)
    assert [edit["number"] for edit in status["history"]] == [3, MANY]
    assert (status["base"], status["undoable"]) == (MANY, 3)
    assert many < none + 2000


@pytest.mark.parametrize(("by", "undoes", "most"), [("tune", 0, 101), ("split set", None, 20)])
def test_of_a_thousand_late_ones_the_last_are_told(
    stack: Stack, client: PageClient, file: Path, by: str, undoes: int | None, most: int
) -> None:
    write(file, [change(stack, n, 60, by=by, undoes=undoes) for n in range(1, MANY + 1)])
    size, status = read_status(client)
    listed = numbers(status, trial=undoes == 0)
    assert listed == list(range(MANY + 1 - most, MANY + 1))
    assert size < 32_000


def test_a_trial_that_is_over_is_a_mark_alone(stack: Stack, client: PageClient, file: Path) -> None:
    tried = [change(stack, n, 60 - n, by="tune", undoes=0) for n in (2, 3)]
    write(file, [change(stack, 1, 60, by="page", undoes=None), *tried])
    _, status = read_status(client)
    assert numbers(status, trial=False) == [1]
    assert ["differences" in edit for edit in status["history"]] == [True, False, True]


def test_changes_made_meanwhile_are_listed(stack: Stack, client: PageClient, file: Path) -> None:
    write(file, [change(stack, 1, 60, by="page", undoes=None)])
    assert read_status(client)[1]["base"] == 1
    write(file, [change(stack, n, 60, by="page", undoes=None) for n in (1, 2)])
    assert read_status(client)[1]["base"] == 2
    file.unlink()
    assert read_status(client)[1]["history"] == []
