"""Faults hold requests for as long as they say."""

from __future__ import annotations

import pytest

from validation.faults import Delay, Queue, Ramp, Stall, TwoHumps


def test_a_stall_holds_until_it_is_over() -> None:
    stall = Stall(1, 10)
    assert [stall.hold(moment) for moment in (0, 8.9, 9.25, 9.75, 10.5, 19.5)] == pytest.approx(
        [0, 0, 0.75, 0.25, 0, 0.5]
    )


def test_a_ramp_begins_again() -> None:
    assert [Ramp(0.1, 10).hold(moment) for moment in (0, 5, 10, 15)] == pytest.approx(
        [0, 0.05, 0, 0.05]
    )


def test_humps_are_as_frequent_as_they_should_be() -> None:
    humps = TwoHumps(0.005, 0.05, 0.1)
    holds = [humps.hold(0) for _ in range(10_000)]
    assert set(holds) == {0.005, 0.05}
    assert holds.count(0.05) == pytest.approx(1_000, rel=0.1)


def test_a_delay_is_always_the_same() -> None:
    assert Delay(0.3).hold(7) == 0.3


def test_a_queue_serves_one_after_the_other() -> None:
    queue = Queue(2)
    assert [queue.hold(moment) for moment in (0, 1, 1, 10)] == [2, 3, 5, 2]
