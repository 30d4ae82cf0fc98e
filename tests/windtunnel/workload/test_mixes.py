from __future__ import annotations

import random
from collections import Counter

import pytest

from windtunnel.client.api import METHOD, SLEEP, STATUS, Operation
from windtunnel.workload.mixes import MIXES, NEEDS_RECORD, OperationBag, consumes

FILLINGS = 7


@pytest.mark.parametrize("name", MIXES)
def test_every_filling_holds_the_mix_exactly(name: str) -> None:
    bag = OperationBag(MIXES[name], random.Random(1))
    size = sum(MIXES[name].values())
    for _ in range(FILLINGS):
        assert Counter(bag.draw() for _ in range(size)) == Counter(MIXES[name])


@pytest.mark.parametrize("name", MIXES)
def test_a_mix_keeps_a_population_level_unless_it_is_one_operation(name: str) -> None:
    mix = MIXES[name]
    level = mix.get(Operation.CREATE, 0) - mix.get(Operation.DELETE, 0)
    assert level == 0 or len(mix) == 1


def test_each_operation_can_be_had_alone() -> None:
    assert all(MIXES[operation] == {operation: 1} for operation in Operation)
    assert [name for name, mix in MIXES.items() if consumes(mix)] == ["delete"]
    assert set(METHOD) == set(STATUS) == {*Operation, SLEEP}


@pytest.mark.parametrize("name", ["balanced", "read-heavy", "write-heavy", "find-heavy"])
def test_a_user_of_one_record_keeps_the_proportions(name: str) -> None:
    bag, owned, counts = OperationBag(MIXES[name], random.Random(2)), 1, Counter[str]()
    size = sum(MIXES[name].values())
    for _ in range(50 * size):
        operation = bag.draw()
        if not owned and operation in NEEDS_RECORD:
            operation = bag.create_first(operation)
        owned += (operation is Operation.CREATE) - (operation is Operation.DELETE)
        assert owned >= 0
        counts[operation] += 1
    assert counts == Counter({operation: 50 * n for operation, n in MIXES[name].items()})


def test_without_a_create_in_the_mix_one_is_done_beside_it() -> None:
    bag = OperationBag(MIXES["delete"], random.Random(3))
    assert bag.create_first(bag.draw()) is Operation.CREATE
    assert bag.draw() is Operation.DELETE
