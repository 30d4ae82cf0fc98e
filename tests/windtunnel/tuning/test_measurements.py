"""What a tuner counts of a cell: its own seconds, not those of an attempt that was spoiled."""

from typing import Any

from windtunnel.recording.results import Cell, StreamResult
from windtunnel.recording.series import OperationSecond, Second
from windtunnel.tuning.measurements import completed_in_window

FACTS: dict[str, Any] = {
    "store": "redis/async/fast",
    "variant": "2+2",
    "mix": "balanced",
    "round": 1,
}


def test_the_seconds_of_a_spoiled_attempt_are_not_work_done() -> None:
    stream = StreamResult(rate=20, work="sleep of 2 ms", operations=["sleep"])
    cell = Cell(**FACTS, attempt=2, seconds=1.0, throughput_rps=20, streams={"slow": stream})
    slept = [OperationSecond(operation="sleep", pool="slow", outcome="ok", count=20)]
    lines = [Second(**FACTS, attempt=n, second=0, operations=slept) for n in (1, 2)]
    assert completed_in_window("slow", [cell], lines) == {1: (20, 1)}
