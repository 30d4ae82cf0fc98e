"""The search for a rate ends, never asks twice, and finds what there is to find."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.analysis.capacity import Bracket, bracket, next_rate
from windtunnel.analysis.summary import State

rates = st.floats(min_value=1, max_value=1e6)
states = st.sampled_from(list(State))


def search(capacity: float, first: float, precision: float = 0.05) -> dict[float, State]:
    outcomes: dict[float, State] = {}
    while rate := next_rate(outcomes, first=first, precision=precision):
        assert rate not in outcomes
        outcomes[rate] = State.HOLDS if rate <= capacity else State.FAILS
    return outcomes


@given(st.floats(min_value=2, max_value=5e5), rates, st.sampled_from([0.02, 0.05, 0.2]))
def test_a_capacity_is_found_to_the_precision_asked_for(
    capacity: float, first: float, precision: float
) -> None:
    outcomes = search(capacity, first, precision)
    limits = bracket(outcomes)
    assert limits.held
    assert limits.broke
    assert limits.held <= capacity < limits.broke
    assert limits.broke / limits.held <= 1 + precision + 0.011  # three digits
    doublings = abs(math.log2(capacity / first)) + 2
    assert len(outcomes) <= doublings + math.log2(1 / precision) + 2


@given(rates)
def test_the_bounds_are_kept_when_all_holds_or_nothing_does(first: float) -> None:
    assert bracket(search(math.inf, first)) == Bracket(1e6, None, None)
    assert bracket(search(0, first)) == Bracket(None, 1.0, State.FAILS)


@given(st.lists(states, min_size=60, max_size=60), rates)
def test_whatever_is_answered_it_ends_and_never_asks_twice(
    answers: list[State], first: float
) -> None:
    outcomes: dict[float, State] = {}
    for answer in answers:
        rate = next_rate(outcomes, first=first)
        if rate is None:
            break
        assert 1 <= rate <= 1e6
        assert rate not in outcomes
        outcomes[rate] = answer
    assert next_rate(outcomes, first=first) is None


@given(st.dictionaries(rates, states, min_size=1))
def test_what_held_lies_below_what_did_not(outcomes: dict[float, State]) -> None:
    limits = bracket(outcomes)
    if limits.held is not None and limits.broke is not None:
        assert limits.held < limits.broke
    assert limits.held is None or outcomes[limits.held] is State.HOLDS
    assert limits.broke is None or outcomes[limits.broke] is limits.why is not State.HOLDS


def test_a_rate_above_one_that_failed_is_not_believed() -> None:
    outcomes = {100.0: State.HOLDS, 200.0: State.FAILS, 400.0: State.HOLDS}
    assert bracket(outcomes) == Bracket(100.0, 200.0, State.FAILS)
    assert next_rate(outcomes, first=100) == pytest.approx(141)
