"""The truth about response times is computed right, and its bounds are kept."""

from __future__ import annotations

from itertools import islice

import pytest

from benchmarks.harness import ExperimentError
from tests.validation.proxied import STORE, read
from validation.ground_truth import is_near, reads_by_cell, reportable, response_times_us
from validation.proxy import ProxiedRequest
from windtunnel.recording.histogram import Histogram
from windtunnel.workload.arrivals import WHOLE, constant, poisson


def test_response_times_begin_at_the_scheduled_start() -> None:
    sent_late = [read(10.0, 10.001), read(10.15, 10.2), read(10.2, 10.201), read(10.3, 10.301)]
    assert response_times_us(sent_late, constant(10), 4) == pytest.approx(
        [1_000, 100_000, 1_000, 1_000]
    )
    assert response_times_us(sent_late, constant(10), 2) == pytest.approx([1_000, 1_000])


def test_random_starts_are_those_of_the_seed() -> None:
    starts = list(islice(poisson(10, 1, WHOLE), 3))
    reads = [read(7 + start, 7 + start + 0.001) for start in starts]
    assert response_times_us(reads, poisson(10, 1, WHOLE), 3) == pytest.approx([1_000] * 3)


def test_more_counted_than_proxied_is_an_error() -> None:
    with pytest.raises(ExperimentError, match="3 were counted, 1 came"):
        response_times_us([read(1, 2)], constant(10), 3)


def test_a_cell_begins_with_its_population() -> None:
    put = ProxiedRequest(f"PUT /{STORE}/records HTTP/1.1", 1.0)
    second_put = ProxiedRequest(f"PUT /{STORE}/records HTTP/1.1", 4.0)
    ping = ProxiedRequest("GET /ping HTTP/1.1", 2.5)
    first, second, third = read(2, 2), read(3, 3), read(5, 5)
    assert reads_by_cell([put, first, ping, second, second_put, third], STORE) == [
        [first, second],
        [third],
    ]


@pytest.mark.parametrize(
    ("reported_us", "near"),
    [(500_000, True), (509_000, True), (512_000, False), (480_000, False)],
)
def test_a_quantile_has_to_be_near_the_truth(reported_us: float, near: bool) -> None:
    times_us = [float(us) for us in range(1_000, 1_000_001, 1_000)]
    assert is_near(reported_us, times_us, 0.5) is near


def test_three_thousandths_of_rank_are_near_enough() -> None:
    cliff_us = [1_000.0] * 900 + [100_000.0] * 100
    assert is_near(100_000, cliff_us, 0.9)
    assert not is_near(100_000, cliff_us, 0.896)
    assert not is_near(50_000, cliff_us, 0.95)


def test_too_few_samples_report_no_tail() -> None:
    assert dict(reportable(Histogram({5: 999}))) == {"p50": 0.5, "p90": 0.9, "p95": 0.95}
    assert "p99.9" in dict(reportable(Histogram({5: 10_000})))
