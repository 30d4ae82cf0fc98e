"""What an objective needs of a run is known before the run."""

from __future__ import annotations

import pytest

from windtunnel.cli import measure
from windtunnel.errors import UsageError
from windtunnel.runner.request import Request

TWO: dict[str, dict[str, str]] = {"apart": {}, "together": {"pools.slow.processes": "0"}}


@pytest.mark.parametrize(
    "request_",
    [
        Request(slos=("regression < 5%",)),
        Request("wsgi", slos=("regression < 5%",)),
        Request("pools", splits={**TWO, "third": {}}, slos=("regression < 5%",)),
    ],
    ids=["one server", "six servers", "three splits"],
)
def test_a_regression_without_two_variants_is_refused(request_: Request) -> None:
    with pytest.raises(UsageError, match="a regression takes two variants"):
        measure.check_objectives(request_)


@pytest.mark.parametrize(
    "request_",
    [
        Request(against="http://127.0.0.1:20001", slos=("regression < 5%",)),
        Request("wsgi", against="http://127.0.0.1:20001", slos=("regression < 5%",)),
        Request("pools", splits=TWO, slos=("regression < 5%",)),
    ],
    ids=["against", "wsgi against", "two splits"],
)
def test_a_regression_between_two_variants_is_taken(request_: Request) -> None:
    measure.check_objectives(request_)
