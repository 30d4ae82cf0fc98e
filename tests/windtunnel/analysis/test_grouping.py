"""Which cells and results belong together."""

from __future__ import annotations

import msgspec
import pytest

from tests.windtunnel.generate import Made, cells, info
from windtunnel.analysis.grouping import attributed, views
from windtunnel.recording.recorder import NO_POOL
from windtunnel.recording.results import Cell, OperationResult

MADE = Made(stores=("redis/async/fast",), mixes=("read",), rounds=6, samples=1000)


def timed_out(cell: Cell, *pools: str) -> Cell:
    """Return a cell whose answers came from these pools, and of which 50 requests got none."""
    [answered] = cell.operations
    told = [msgspec.structs.replace(answered, pool=pool) for pool in pools]
    lost = OperationResult(operation="read", pool=NO_POOL, outcome="timeout", count=50)
    return msgspec.structs.replace(cell, operations=[*told, lost])


@pytest.mark.parametrize("pool", ["fast", "slow"])
def test_a_timeout_counts_against_the_pool_that_answered_the_others(pool: str) -> None:
    made = [timed_out(cell, pool) for cell in cells(MADE)]
    [view] = views(made, [], info(MADE).stores)
    [measured] = view.stores["redis/async/fast"].operations.values()
    assert measured.failures == {"timeout": 6 * 50}
    assert measured.samples == 6 * 1000


def test_it_stays_apart_where_nobody_answered_or_several_did() -> None:
    for pools in ((), ("fast", "slow")):
        cell = timed_out(cells(MADE)[0], *pools)
        assert attributed(cell) is cell
