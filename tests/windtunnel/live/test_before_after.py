"""Before and after a change of the split: which seconds, and what is said of them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from windtunnel.live.before_after import LEAST, Seconds, Span, Spans, effect, spans
from windtunnel.recording.recorder import Latencies

CHANGE = {"began_at": 100.4, "clean_at": 103.2}
NONE = dict.fromkeys(range(400), (0, 100))


def compared(before: int, after: int, *borders: float) -> Spans:
    return spans(CHANGE, borders, 100 - before, 103 + after)


def test_both_sides_are_as_long_and_keep_away_from_the_change() -> None:
    assert compared(50, 20) == Spans(Span(80, 100), Span(104, 124))
    cut = compared(20, 50)
    assert (cut.before, cut.after) == (Span(80, 100), Span(104, 124))
    assert "before" in cut.ended
    assert "not compared" in compared(300, 300).ended


def test_another_load_or_change_ends_a_side() -> None:
    assert compared(50, 50, 70.5).before == Span(72, 100)
    cut = compared(50, 50, 114.5)
    assert (cut.before, cut.after) == (Span(90, 100), Span(104, 114))
    assert "became another" in cut.ended
    assert compared(50, 50, 103.9).after.seconds == 0


def side(span: Span, scale: float, number: int = 100, *, open_: bool = True) -> Seconds:
    found = {}
    rng = random.Random(span.begin)
    for at in range(*span):
        found[at] = times = Latencies.empty()
        for _ in range(number):
            us = scale * rng.lognormvariate(7, 0.5)
            times.service.record(us)
            if open_:
                times.response.record(us * 2)
    return found


def rows(found: Spans, scale: float, **settings: Any) -> dict[str, dict[str, Any]]:
    sides = side(found.before, 1, **settings), side(found.after, scale, **settings)
    told = effect(found, {"fast": sides}, NONE)
    return {row["measure"]: row for row in told["rows"]}


@pytest.mark.parametrize(("scale", "verdict"), [(3.0, "higher"), (0.3, "lower")])
def test_a_great_difference_is_seen(scale: float, verdict: str) -> None:
    told = rows(compared(60, 60), scale)
    for measure in ("p50 response", "p99 response"):
        row = told[measure]
        assert row["verdict"] == verdict
        assert row["ratio"]["low"] < scale < row["ratio"]["high"]
        assert row["before"]["low"] < row["before"]["estimate"] < row["before"]["high"]
    assert told["rate"]["verdict"] == "same"


def test_too_little_is_said_to_be_and_how_long_it_takes() -> None:
    told = rows(compared(60, LEAST - 4), 3.0)
    assert told["p50 response"]["verdict"] == "cannot tell"
    assert told["p50 response"]["watch_s"] == 4
    assert told["p50 response"]["before"]["low"] is None
    assert told["p99 response"]["why"] == "800 answers of 1,000"
    assert told["p99 response"]["watch_s"] == 2
    assert told["p99.9 response"]["watch_s"] == 100 - (LEAST - 4)


def test_nothing_is_promised_of_what_cannot_get_longer() -> None:
    told = effect(
        compared(5, 60), {"fast": (side(Span(95, 100), 1), side(Span(104, 109), 1))}, NONE
    )
    assert told["watch_s"] is None
    assert all(row["watch_s"] is None for row in told["rows"])


def test_equal_sides_are_same_or_cannot_be_told_apart() -> None:
    told = rows(compared(60, 60), 1.0)
    assert {row["verdict"] for row in told.values()} <= {"same", "cannot tell"}


def test_closed_load_has_service_times_only() -> None:
    assert "p50 service" in rows(compared(60, 60), 1.0, open_=False)


def test_failures_are_told_whatever_pool_they_were_of() -> None:
    found = compared(60, 60)
    failing = {at: (3 if at < 100 else 6, 100) for at in range(400)}
    row = effect(found, {}, failing)["rows"][-1]
    assert (row["before"]["estimate"], row["after"]["estimate"]) == (3, 6)
    assert row["verdict"] == "higher"
    assert effect(found, {}, NONE)["rows"][-1]["verdict"] == "same"
