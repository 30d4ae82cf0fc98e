from __future__ import annotations

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.recording.histogram import HIGHEST_US, Histogram, decode, merge
from windtunnel.recording.recorder import Key, Latencies, Recorder

TIMES = st.lists(st.floats(1, 59_000_000), min_size=1, max_size=300)
KEY = Key("sqlite/async/fast", "read", "fast", "ok")


def counted(times: list[float]) -> Histogram:
    recorder = Recorder()
    for us in times:
        recorder.record(*KEY, us)
    return recorder.take()[KEY].service


@given(TIMES)
def test_buckets_are_those_of_an_hdr_histogram(times: list[float]) -> None:
    reference = HdrHistogram(1, HIGHEST_US, 3)
    for us in times:
        reference.record_value(int(us))
    assert counted(times).encode() == reference.encode().decode()


@given(TIMES)
def test_every_hdr_tool_reads_what_is_encoded(times: list[float]) -> None:
    read = HdrHistogram.decode(counted(times).encode())
    assert read.get_total_count() == len(times)
    assert read.get_max_value() == counted(times).max


@given(st.integers(0, HIGHEST_US))
def test_a_bucket_ends_within_a_thousandth(us: int) -> None:
    (end,) = counted([us]).counts
    assert us <= end <= us * 1.001
    assert end == HdrHistogram(1, HIGHEST_US, 3).get_highest_equivalent_value(us)


@given(TIMES, TIMES)
def test_merging_is_exact(first: list[float], second: list[float]) -> None:
    parts = counted(first), counted(second)
    merged = merge(parts)
    assert merged == counted(first + second)
    assert merged.encode() == counted(first + second).encode()
    assert parts == (counted(first), counted(second))


@given(TIMES)
def test_a_histogram_is_read_as_it_was_written(times: list[float]) -> None:
    assert decode(counted(times).encode()) == counted(times)


@given(TIMES)
def test_a_histogram_and_a_recorder_count_alike(times: list[float]) -> None:
    histogram, recorder = Histogram(), Recorder()
    for us in times:
        histogram.record(us)
        recorder.record(*KEY, 1, us)
    assert recorder.take() == {KEY: Latencies(Histogram({1: len(times)}), histogram)}


@pytest.mark.parametrize(
    ("quantile", "needed"),
    [("p50", 20), ("p90", 100), ("p95", 200), ("p99", 1_000), ("p99.9", 10_000)],
)
def test_a_quantile_needs_samples_enough(quantile: str, needed: int) -> None:
    assert Histogram({100: needed - 1}).quantiles()[quantile] is None
    assert Histogram({100: needed}).quantiles()[quantile] == 100


def test_quantiles_are_nearest_ranks() -> None:
    times = Histogram(dict.fromkeys(range(1, 1001), 1)).as_dict()
    assert [times[q] for q in ("p50", "p90", "p95", "p99")] == [500, 900, 950, 990]
    assert times["max"] == 1_000


def test_no_sample_gives_no_figure() -> None:
    times = Histogram().as_dict()
    assert set(times) == {"p50", "p90", "p95", "p99", "p99.9", "max", "histogram"}
    assert times["max"] is None
    assert HdrHistogram.decode(times["histogram"]).get_total_count() == 0


def test_what_takes_longer_than_a_minute_counts_as_a_minute() -> None:
    assert counted([1e12]) == counted([HIGHEST_US])


def test_taking_begins_anew_and_keeps_outcomes_apart() -> None:
    recorder = Recorder()
    recorder.record(*KEY, 10)
    recorder.record(*KEY._replace(outcome="timeout"), 20)
    assert recorder.take() == {
        KEY: Latencies(Histogram({10: 1}), Histogram()),
        KEY._replace(outcome="timeout"): Latencies(Histogram({20: 1}), Histogram()),
    }
    assert recorder.take() == {}
