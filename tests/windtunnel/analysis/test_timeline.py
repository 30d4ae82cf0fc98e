"""Second by second: what the charts of a report draw, from the lines of series.jsonl."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from windtunnel.analysis.timelines import MAX_POINTS, timelines
from windtunnel.recording.results import Cell, Run, RunInfo
from windtunnel.recording.series import OperationSecond, Second, SecondLatencies

STORE = "redis/async/fast"


def line(number: int, second: float, count: int, **more: Any) -> Second:
    pool, outcome = more.pop("pool", "fast"), more.pop("outcome", "ok")
    us = SecondLatencies(p50=1_000 if count >= 20 else None, max=5_000 + 1_000 * number)
    one = OperationSecond(
        operation="read", pool=pool, outcome=outcome, count=count, service_us=us, response_us=us
    )
    facts = {"store": STORE, "mix": "read", "round": number, "rate": 100.0, **more}
    return Second(second=second, operations=[one], **facts)


def run(*cells: tuple[int, float], **settings: Any) -> Run:
    made = [
        Cell(store=STORE, mix="read", round=number, rate=100.0, seconds=s, throughput_rps=1.0)
        for number, s in cells
    ]
    started = datetime(2026, 11, 21, tzinfo=UTC)
    info = RunInfo(scenario="crud", started=started, seed=1, git={}, host={}, settings=settings)
    return Run(path=Path("made"), info=info, cells=made, damaged=[])


def drawn(found: Run, *lines: Second, latency: str = "response") -> Any:
    [chart] = timelines(found, lines)
    return chart["operations"]["read"][latency][STORE]


def test_rounds_stand_one_after_the_other_with_a_gap_between() -> None:
    lines = [line(number, second, 100) for number in (1, 2) for second in (0, 1)]
    assert drawn(run((1, 2.0), (2, 2.0)), *lines) == [
        (0, 100, 1, 6), (1, 100, 1, 6), None, (2, 100, 1, 7), (3, 100, 1, 7),
    ]  # fmt: skip


def test_the_last_part_of_a_second_has_its_own_rate_and_a_rest_has_none() -> None:
    lines = [line(1, 0, 100), line(1, 1, 50), line(2, 0, 100), line(2, 1, 100), line(2, 2, 1)]
    assert [p and p[1] for p in drawn(run((1, 1.5), (2, 2.001)), *lines)] == [
        100, 100, None, 100, 100, None,
    ]  # fmt: skip


def test_a_cell_measured_again_shows_the_last_time() -> None:
    lines = [line(1, 0, 10), line(1, 0, 100)]
    assert [point[1] for point in drawn(run((1, 1.0)), *lines)] == [100]


def test_what_was_spoiled_and_measured_again_is_left_out() -> None:
    again = run((1, 1.0))
    [whole] = again.cells
    again.cells[:] = [
        msgspec.structs.replace(whole, seconds=2.0, void="steal"),
        msgspec.structs.replace(whole, attempt=2),
    ]
    lines = [line(1, 0, 10), line(1, 1, 10), line(1, 0, 100, attempt=2)]
    assert [point[1] for point in drawn(again, *lines)] == [100]


def test_loads_that_differ_in_what_is_beside_them_are_charts_apart() -> None:
    both = timelines(run(), [line(1, 0, 10, slow_rate=2.0), line(1, 0, 20, slow_rate=8.0)])
    assert [chart["title"] for chart in both] == [
        "read, 100/s + 2/s slow",
        "read, 100/s + 8/s slow",
    ]
    rates = [chart["operations"]["read"]["response"][STORE][0][1] for chart in both]
    assert rates == [10, 20]


def test_a_second_with_few_answers_has_a_slowest_one_and_no_median() -> None:
    assert drawn(run((1, 1.0)), line(1, 0, 5)) == [(0, 5, None, 6)]


def test_one_process_and_several_are_charts_apart() -> None:
    both = timelines(run((1, 1.0)), [line(1, 0, 10), line(1, 0, 20, processes=2)])
    assert [chart["title"] for chart in both] == ["read, 100/s", "read, 100/s, 2 processes"]


def test_failures_are_no_part_of_it() -> None:
    [chart] = timelines(run((1, 1.0)), [line(1, 0, 5, outcome="timeout")])
    assert chart["operations"] == {}


def test_pools_have_lines_of_their_own() -> None:
    both = [line(1, 0, 5).operations[0], line(1, 0, 7, pool="slow").operations[0]]
    second = Second(store=STORE, mix="read", round=1, rate=100.0, second=0, operations=both)
    [chart] = timelines(run((1, 1.0)), [second])
    assert set(chart["operations"]) == {"read", "read (slow pool)"}


def test_each_load_is_a_chart_but_one_that_was_changed_while_it_ran() -> None:
    lines = [line(1, 0, 5), line(1, 1, 5, rate=200.0), line(1, 2, 5, rate=None, users=1)]
    assert [chart["title"] for chart in timelines(run((1, 3.0)), lines)] == [
        "read, 100/s",
        "read, 200/s",
        "read, 1 user",
    ]
    assert [point[0] for point in drawn(run((1, 3.0), under="locust"), *lines)] == [0, 1, 2]


def test_a_long_run_is_thinned_to_the_worst_of_several_seconds() -> None:
    lines = [line(1, second, 100) for second in range(2 * MAX_POINTS)]
    points = drawn(run((1, 2.0 * MAX_POINTS)), *lines)
    assert len(points) == MAX_POINTS
    assert points[:2] == [(0, 100, 1, 6), (2, 100, 1, 6)]
