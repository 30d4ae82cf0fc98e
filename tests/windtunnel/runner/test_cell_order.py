"""The order for a cell: one Struct for those who build it and the generator that reads it."""

from __future__ import annotations

import json
import subprocess
import sys

import msgspec
import pytest

from windtunnel.recording.conditions import NAMES, Conditions
from windtunnel.recording.results import Cell
from windtunnel.runner.cell_order import CellOrder, Done, Event, Failed
from windtunnel.runner.generator_client import void
from windtunnel.workload.slow import SlowKind, SlowLoad, SlowWork

URL = "http://127.0.0.1:10001"


def order(**fields: object) -> CellOrder:
    return msgspec.convert({"target": URL, "warmup": 0.5, "duration": 2.0} | fields, CellOrder)


@pytest.mark.parametrize("module", ["cell_order", "run", "tune", "generator_client", "strategies"])
def test_who_builds_orders_needs_no_generator(module: str) -> None:
    code = (
        f"import sys, windtunnel.runner.{module}\n"
        "print({'gevent', 'locust'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, text=True).strip() == "set()"


def test_an_order_is_a_line_of_json() -> None:
    ordered = order(store="redis/async/fast", mix="read", users=3, groups={"server": [7]})
    line = msgspec.json.encode(ordered)
    assert b"\n" not in line
    assert json.loads(line)["cmd"] == "cell"
    assert msgspec.json.decode(line, type=CellOrder) == ordered


def test_a_cell_has_the_conditions_of_its_order() -> None:
    ordered = order(store="redis/async/fast", mix="read", rate=5, round=3, attempt=2, variant="a")
    cell = void(ordered, "refused")
    assert cell.conditions == ordered.conditions
    assert cell.void == "refused"
    assert set(NAMES) <= set(CellOrder.__struct_fields__) & set(Cell.__struct_fields__)


def test_an_order_of_a_server_without_stores_names_none() -> None:
    assert order(users=1).conditions == Conditions(users=1)


def test_users_do_not_count_with_a_rate() -> None:
    assert order(users=8, rate=100).users is None


def test_slow_work_comes_beside_a_load() -> None:
    alone = order(store="redis/async/fast", mix="read", rate=50)
    assert alone.beside(None, None) is alone
    accompanied = alone.beside(SlowLoad(2.0, SlowWork(SlowKind.SUMMARY)), "redis/blocking/fast")
    assert accompanied.conditions == msgspec.structs.replace(alone.conditions, slow_rate=2.0)
    assert accompanied.work == SlowWork(SlowKind.SUMMARY)
    assert accompanied.summary_store == "redis/blocking/fast"
    assert alone.summary_store == "redis/blocking/fast"


def test_a_process_that_is_loaded_directly_is_named_as_its_bystander_is() -> None:
    assert order(users=1, bystanders=[URL, f"{URL}0"]).process == "127.0.0.1:10001"
    assert order(users=1).process is None


@pytest.mark.parametrize(
    "event", [Failed("no store"), Done(Cell(seconds=1.0, throughput_rps=2.0, flags=["lost"]))]
)
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event
