from __future__ import annotations

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.recording.histogram import (
    HIGHEST_US,
    Counts,
    Key,
    Recorder,
    Times,
    add,
    encode,
    summarise,
    upper_end,
)

TIMES = st.lists(st.floats(1, 59_000_000), min_size=1, max_size=300)
KEY = Key("sqlite/async/fast", "read", "fast", "ok")


def counted(times: list[float]) -> Counts:
    recorder = Recorder()
    for us in times:
        recorder.record(*KEY, us)
    return recorder.take()[KEY].service


@given(TIMES)
def test_buckets_are_those_of_an_hdr_histogram(times: list[float]) -> None:
    theirs = HdrHistogram(1, HIGHEST_US, 3)
    for us in times:
        theirs.record_value(int(us))
    assert encode(counted(times)) == theirs.encode().decode()


@given(TIMES)
def test_every_hdr_tool_reads_what_is_encoded(times: list[float]) -> None:
    read = HdrHistogram.decode(encode(counted(times)))
    assert read.get_total_count() == len(times)
    assert read.get_max_value() == summarise(counted(times))["max"]


@given(st.integers(0, HIGHEST_US))
def test_a_bucket_ends_within_a_thousandth(us: int) -> None:
    (bucket,) = counted([us])
    assert us <= upper_end(bucket) <= us * 1.001


@given(TIMES, TIMES)
def test_merging_is_exact(one: list[float], other: list[float]) -> None:
    merged: Counts = {}
    add(merged, counted(one))
    add(merged, counted(other))
    assert merged == counted(one + other)
    assert encode(merged) == encode(counted(one + other))


@pytest.mark.parametrize(
    ("quantile", "needed"),
    [("p50", 20), ("p90", 100), ("p95", 200), ("p99", 1_000), ("p99.9", 10_000)],
)
def test_a_quantile_needs_samples_enough(quantile: str, needed: int) -> None:
    assert summarise({100: needed - 1})[quantile] is None
    assert summarise({100: needed})[quantile] == 100


def test_quantiles_are_nearest_ranks() -> None:
    times = summarise(dict.fromkeys(range(1, 1001), 1))
    assert [times[q] for q in ("p50", "p90", "p95", "p99")] == [500, 900, 950, 990]
    assert times["max"] == 1_000


def test_no_sample_gives_no_figure() -> None:
    times = summarise({})
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
        KEY: Times({10: 1}, {}),
        KEY._replace(outcome="timeout"): Times({20: 1}, {}),
    }
    assert recorder.take() == {}
