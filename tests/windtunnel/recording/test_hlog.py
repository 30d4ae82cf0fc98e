"""What is written as an interval log opens in HdrHistogram's own reader, with the same counts."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from tests.windtunnel.generate import Made, cells, histogram
from tests.windtunnel.recording.full import files_up_to
from windtunnel.recording import hlog
from windtunnel.recording.histogram import decode
from windtunnel.recording.results import Cell, LatencySummary, OperationResult, ResultsError

STORE = "redis/async/fast"
ENDED = datetime(2026, 11, 21, 3, 0, 10, tzinfo=UTC)


def open_cell(values: list[int], **changes: Any) -> Cell:
    service, response = (
        LatencySummary(histogram=histogram(v)) for v in (values, [2 * v for v in values])
    )
    read = OperationResult(
        operation="read", count=len(values), service_us=service, response_us=response
    )
    facts: dict[str, Any] = {
        "store": STORE,
        "mix": "balanced",
        "round": 1,
        "rate": 500.0,
        "seconds": 4.0,
    }
    return Cell(**{**facts, "throughput_rps": 1.0, "operations": [read], **changes})


def intervals(path: Path) -> list[HdrHistogram]:
    reader = HistogramLogReader(str(path), HdrHistogram(1, 60_000_000, 3))
    try:
        return list(iter(reader.get_next_interval_histogram, None))
    finally:
        reader.close()


def test_every_cell_is_read_back_as_it_was_recorded(tmp_path: Path) -> None:
    made = cells(Made(stores=(STORE,), rounds=3))
    for cell in made:
        hlog.append(tmp_path, cell, ENDED)
    expected = [
        (f"balanced/8users/{result.operation}:service", decode(result.service_us.histogram))
        for cell in made
        for result in cell.operations
        if result.service_us and result.service_us.histogram
    ]
    tagged = [
        (interval.get_tag(), decode(interval.encode().decode()))
        for interval in intervals(tmp_path / "redis.async.fast.hlog")
    ]
    assert tagged == expected
    assert len(tagged) == 12


def test_both_latencies_have_their_tags_and_the_cell_its_time(tmp_path: Path) -> None:
    hlog.append(tmp_path, open_cell([1000, 2000], variant="against"), ENDED)
    service, response = intervals(tmp_path / "redis.async.fast.hlog")
    assert service.get_tag() == "against/balanced/500rps/read:service"
    assert response.get_tag() == "against/balanced/500rps/read:response"
    assert (service.get_total_count(), response.get_max_value()) == (2, 4001)
    assert service.get_end_time_stamp() == ENDED.timestamp() * 1000
    assert service.get_start_time_stamp() == ENDED.timestamp() * 1000 - 4000


def test_several_processes_and_what_is_beside_the_load_are_in_the_tag(tmp_path: Path) -> None:
    hlog.append(tmp_path, open_cell([1], rate=60.0, slow_rate=2.0), ENDED)
    hlog.append(tmp_path, open_cell([1], rate=60.0, slow_rate=8.0, processes=2), ENDED)
    tags = [interval.get_tag() for interval in intervals(tmp_path / "redis.async.fast.hlog")]
    assert tags[::2] == [
        "balanced/60rps+2slow/read:service",
        "balanced/60rps+8slow/2processes/read:service",
    ]


def test_failures_have_tags_of_their_own(tmp_path: Path) -> None:
    bad = OperationResult(
        operation="read",
        outcome="bad answer, 500",
        count=1,
        service_us=LatencySummary(histogram=histogram([5])),
    )
    hlog.append(tmp_path, open_cell([1], operations=[bad]), ENDED)
    assert [interval.get_tag() for interval in intervals(tmp_path / "redis.async.fast.hlog")] == [
        "balanced/500rps/read:bad_answer_500:service"
    ]


def test_a_void_cell_leaves_no_interval(tmp_path: Path) -> None:
    hlog.append(tmp_path, open_cell([1], void="steal"), ENDED)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_a_log_that_opens(tmp_path: Path) -> None:
    path = tmp_path / "redis.async.fast.hlog"
    hlog.append(tmp_path, open_cell([1, 2]), ENDED)
    size = path.stat().st_size
    with (
        files_up_to(size + 100),
        pytest.raises(ResultsError, match="cannot write"),
    ):
        hlog.append(tmp_path, open_cell([3]), ENDED)
    assert path.stat().st_size == size
    assert [interval.get_total_count() for interval in intervals(path)] == [2, 2]


def test_a_log_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="cannot write"):
        hlog.append(tmp_path / "gone", open_cell([1]), ENDED)
