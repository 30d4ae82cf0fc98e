"""Synthetic requests are those of their seed."""

from __future__ import annotations

from validation.synthetic import synthetic_requests


def test_the_same_seed_gives_the_same_requests() -> None:
    assert list(synthetic_requests(50, "a")) == list(synthetic_requests(50, "a"))
    assert list(synthetic_requests(50, "a")) != list(synthetic_requests(50, "b"))
