"""The best split is known beforehand, where slow work sleeps."""

from __future__ import annotations

import pytest

from benchmarks.harness import ExperimentError
from validation.tuner import TunerLoad, best_layouts


@pytest.mark.parametrize(
    ("load", "best"),
    [
        (TunerLoad(4, 100, 6), ["3+1", "2+2", "1+3"]),
        (TunerLoad(4, 100, 25), ["1+3"]),
        (TunerLoad(2, 100, 15, slow_throughput=12), ["2-together"]),
        (TunerLoad(3, 100, 15), ["1+2"]),
    ],
)
def test_the_processes_that_sleeps_need_are_known(load: TunerLoad, best: list[str]) -> None:
    assert best_layouts(load) == best


def test_an_objective_that_no_split_holds_is_an_error() -> None:
    with pytest.raises(ExperimentError, match="no split holds"):
        best_layouts(TunerLoad(2, 100, 50, slow_throughput=40))
