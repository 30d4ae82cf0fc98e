"""Arrivals are judged by their gaps and by their counts."""

from __future__ import annotations

import math
from itertools import islice

import pytest

from validation.poisson import KOLMOGOROV, dispersion, gap_distance
from windtunnel.workload.arrivals import WHOLE, constant, poisson


def test_random_arrivals_are_told_from_evenly_spaced_ones() -> None:
    random, even = list(islice(poisson(50, 3, WHOLE), 3_000)), list(islice(constant(50), 3_000))
    critical = KOLMOGOROV / 3_000**0.5
    assert gap_distance(random, 50) < critical < gap_distance(random, 45)
    assert gap_distance(even, 50) == pytest.approx(1 - 1 / math.e, abs=0.01)
    assert dispersion(random, 0.1) == pytest.approx(1, abs=0.15)
    assert dispersion(even, 0.1) < 0.1
