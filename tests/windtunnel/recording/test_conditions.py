"""Conditions are the one place that says what a cell was measured under."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from windtunnel.analysis.grouping import group_cells
from windtunnel.recording.conditions import LOAD, NAMES, REPETITION, SUBJECT, Conditions
from windtunnel.recording.results import Cell, Run, RunInfo
from windtunnel.recording.series import SampledRequest, Second
from windtunnel.runner.cell_order import CellOrder

OTHER: dict[type, Any] = {str: "other", int: 7, float: 7.5}
ROWS: dict[type[Conditions], dict[str, Any]] = {
    Cell: {"seconds": 1.0, "throughput_rps": 1.0},
    Second: {"second": 3},
    SampledRequest: {"operation": "read", "service_us": 1.0},
}


def other(name: str) -> Any:
    """A value of a condition that is not its default."""
    kinds = get_args(get_type_hints(Conditions)[name]) or (get_type_hints(Conditions)[name],)
    return OTHER[kinds[0]]


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("name", NAMES)
def test_every_condition_is_in_every_line_of_a_run_and_flat(
    name: str, row: type[Conditions]
) -> None:
    line = msgspec.json.encode({**ROWS[row], name: other(name)})
    read = msgspec.json.decode(line, type=row)
    assert read.conditions == Conditions(**{name: other(name)})
    assert msgspec.json.decode(msgspec.json.encode(read))[name] == other(name)


@pytest.mark.parametrize("name", NAMES)
def test_two_cells_that_differ_in_a_condition_are_grouped_apart_unless_one_repeats_the_other(
    name: str,
) -> None:
    cell = Cell(seconds=1.0, throughput_rps=1.0)
    changed = msgspec.structs.replace(cell, **{name: other(name)})
    assert len({cell.conditions, changed.conditions}) == 2
    assert (cell.configuration == changed.configuration) == (name in REPETITION)


@pytest.mark.parametrize("name", NAMES)
def test_every_condition_goes_to_the_generator_and_comes_back(name: str) -> None:
    load = {"users": 1, name: other(name)}
    order = CellOrder(target="http://127.0.0.1:9", warmup=0, duration=1, **load)
    read = msgspec.json.decode(msgspec.json.encode(order), type=CellOrder)
    assert read.conditions == order.conditions
    assert getattr(read.conditions, name) == other(name)


@pytest.mark.parametrize("name", LOAD)
def test_cells_under_different_loads_are_never_in_one_table(name: str) -> None:
    cell = Cell(store="a/b/c", mix="read", seconds=1.0, throughput_rps=1.0)
    changed = msgspec.structs.replace(cell, **{name: other(name)})
    info = RunInfo(scenario="own", started=datetime.now(UTC), seed=1)
    run = Run(path=Path(), info=info, cells=[cell, changed], damaged=[])
    assert len(group_cells(run)) == 2


def test_a_condition_is_the_subject_a_repetition_or_the_load() -> None:
    assert {*SUBJECT, *REPETITION, *LOAD} == set(NAMES)
    assert len(SUBJECT) + len(REPETITION) + len(LOAD) == len(NAMES)


def test_facts_of_a_cell_are_no_conditions() -> None:
    cell = Cell(seconds=1.0, throughput_rps=1.0, target="nginx", connections=4)
    assert cell.conditions == Second(second=0).conditions == Conditions()


def test_without_knows_conditions_only() -> None:
    assert Conditions(rate=5.0, round=3).without("rate") == Conditions(round=3)
    with pytest.raises(KeyError):
        Conditions().without("seconds")


def test_a_server_without_stores_has_a_name_in_reports() -> None:
    assert (Conditions().subject, Conditions(store="a/b/c").subject) == ("server", "a/b/c")
