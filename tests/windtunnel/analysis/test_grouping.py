"""Which cells and results belong together."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from tests.windtunnel.generate import Made, cells, info
from windtunnel.analysis import wording
from windtunnel.analysis.analyse import analyse
from windtunnel.analysis.grouping import group_cells
from windtunnel.analysis.keys import StoreKey
from windtunnel.analysis.unanswered import with_pools
from windtunnel.recording.conditions import Configuration, LoadConditions
from windtunnel.recording.recorder import NO_POOL
from windtunnel.recording.results import Cell, OperationResult, Run

OTHER: dict[type, Any] = {str: "other", int: 7, float: 7.5}

MADE = Made(stores=("redis/async/fast",), mixes=("read",), rounds=6, samples=1000)


def run_of(cells: Iterable[Cell]) -> Run:
    return Run(path=Path("made"), info=info(MADE), cells=list(cells), damaged=[])


def timed_out(cell: Cell, *pools: str) -> Cell:
    """Return a cell whose answers came from these pools, and of which 50 requests got none."""
    [answered] = cell.operations
    named = [msgspec.structs.replace(answered, pool=pool) for pool in pools]
    unanswered = OperationResult(operation="read", pool=NO_POOL, outcome="timeout", count=50)
    return msgspec.structs.replace(cell, operations=[*named, unanswered])


@pytest.mark.parametrize("pool", ["fast", "slow"])
def test_a_timeout_counts_against_the_pool_that_answered_the_others(pool: str) -> None:
    run = run_of(timed_out(cell, pool) for cell in cells(MADE))
    [group] = group_cells(run)
    [measurements] = group.stores[StoreKey("redis/async/fast")].operations.values()
    assert measurements.failures == {"timeout": 6 * 50}
    assert measurements.samples == 6 * 1000


def test_it_stays_apart_where_nobody_answered_or_several_did() -> None:
    for pools in ((), ("fast", "slow")):
        cell = timed_out(cells(MADE)[0], *pools)
        assert with_pools(cell) is cell


@pytest.mark.parametrize("name", [field.name for field in msgspec.structs.fields(LoadConditions)])
def test_cells_that_differ_in_a_condition_of_the_load_share_no_table(name: str) -> None:
    """Whatever the condition: a new one takes no code in the analysis."""
    hint = get_type_hints(Configuration)[name]
    other = OTHER[(get_args(hint) or (hint,))[0]]
    [cell] = cells(Made(stores=MADE.stores, rounds=1))
    groups = group_cells(run_of([cell, msgspec.structs.replace(cell, **{name: other})]))
    assert [list(group.stores) for group in groups] == 2 * [[StoreKey(MADE.stores[0])]]
    assert len({group.load for group in groups}) == 2
    summary = analyse(run_of([cell, msgspec.structs.replace(cell, **{name: other})])).summary
    assert len({table.title for table in summary.tables}) == 2


def test_a_condition_without_a_wording_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wording, "WORDED", tuple(set(wording.WORDED) - {"variant"}))
    assert wording.load_amount(LoadConditions(rate=5.0, variant="tls")) == "5/s, variant tls"
