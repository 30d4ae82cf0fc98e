"""Before and after a change of the split: which seconds are compared, and the verdicts."""

from __future__ import annotations

import random
from typing import Any

import pytest

from windtunnel.live.before_after import MIN_SPAN_S, Seconds, effect
from windtunnel.live.compared_spans import ComparedSpans, Span, compared_spans
from windtunnel.recording.recorder import Latencies

CHANGE = {"began_at": 100.4, "clean_at": 103.2}
NONE = dict.fromkeys(range(400), (0, 100))


def spans(before: int, after: int, *borders: float) -> ComparedSpans:
    return compared_spans(CHANGE, borders, 100 - before, 103 + after)


def test_both_sides_are_as_long_and_keep_away_from_the_change() -> None:
    assert spans(50, 20) == ComparedSpans(Span(80, 100), Span(104, 124))
    cut = spans(20, 50)
    assert (cut.before, cut.after) == (Span(80, 100), Span(104, 124))
    assert "before" in cut.limit
    assert "not compared" in spans(300, 300).limit


def test_another_load_or_change_ends_a_side() -> None:
    assert spans(50, 50, 70.5).before == Span(72, 100)
    cut = spans(50, 50, 114.5)
    assert (cut.before, cut.after) == (Span(90, 100), Span(104, 114))
    assert "changed again" in cut.limit
    assert spans(50, 50, 103.9).after.seconds == 0


def side(span: Span, scale: float, number: int = 100, *, open_: bool = True) -> Seconds:
    seconds = {}
    rng = random.Random(span.begin)
    for at in range(*span):
        seconds[at] = times = Latencies.empty()
        for _ in range(number):
            us = scale * rng.lognormvariate(7, 0.5)
            times.service.record(us)
            if open_:
                times.response.record(us * 2)
    return seconds


def rows(compared: ComparedSpans, scale: float, **settings: Any) -> dict[str, dict[str, Any]]:
    sides = side(compared.before, 1, **settings), side(compared.after, scale, **settings)
    return {row["measure"]: row for row in effect(compared, {"fast": sides}, NONE)["rows"]}


@pytest.mark.parametrize(("scale", "verdict"), [(3.0, "higher"), (0.3, "lower")])
def test_a_large_difference_is_significant(scale: float, verdict: str) -> None:
    by_measure = rows(spans(60, 60), scale)
    for measure in ("p50 response", "p99 response"):
        row = by_measure[measure]
        assert row["verdict"] == verdict
        assert row["ratio"]["low"] < scale < row["ratio"]["high"]
        assert row["before"]["low"] < row["before"]["estimate"] < row["before"]["high"]
    assert by_measure["rate"]["verdict"] == "same"


def test_too_few_samples_are_named_and_how_long_it_takes() -> None:
    by_measure = rows(spans(60, MIN_SPAN_S - 4), 3.0)
    assert by_measure["p50 response"]["verdict"] == "inconclusive"
    assert by_measure["p50 response"]["watch_s"] == 4
    assert by_measure["p50 response"]["before"]["low"] is None
    assert by_measure["p99 response"]["why"] == "800 of 1,000 samples"
    assert by_measure["p99 response"]["watch_s"] == 2
    assert by_measure["p99.9 response"]["watch_s"] == 100 - (MIN_SPAN_S - 4)


def test_nothing_is_promised_of_what_cannot_get_longer() -> None:
    answer = effect(spans(5, 60), {"fast": (side(Span(95, 100), 1), side(Span(104, 109), 1))}, NONE)
    assert answer["watch_s"] is None
    assert all(row["watch_s"] is None for row in answer["rows"])


def test_equal_sides_are_the_same_or_inconclusive() -> None:
    by_measure = rows(spans(60, 60), 1.0)
    assert {row["verdict"] for row in by_measure.values()} <= {"same", "inconclusive"}


def test_closed_load_has_service_times_only() -> None:
    assert "p50 service" in rows(spans(60, 60), 1.0, open_=False)


def test_failures_are_compared_over_all_pools() -> None:
    compared = spans(60, 60)
    failing = {at: (3 if at < 100 else 6, 100) for at in range(400)}
    row = effect(compared, {}, failing)["rows"][-1]
    assert (row["before"]["estimate"], row["after"]["estimate"]) == (3, 6)
    assert row["verdict"] == "higher"
    assert effect(compared, {}, NONE)["rows"][-1]["verdict"] == "same"
