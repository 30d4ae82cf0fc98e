"""What does not go together in a request is known before the run."""

from __future__ import annotations

import pytest

from windtunnel.errors import UsageError
from windtunnel.runner.request import Request
from windtunnel.workload.slow import SlowLoad, SlowWork

TWO: dict[str, dict[str, str]] = {"apart": {}, "together": {"pools.slow.processes": "0"}}
URL = "http://127.0.0.1:20001"
SLOW = (SlowLoad(5.0, SlowWork()),)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        pytest.param(Request(slos=("regression < 5%",)), "takes two variants", id="one server"),
        pytest.param(
            Request("wsgi", slos=("regression < 5%",)), "takes two variants", id="six servers"
        ),
        pytest.param(
            Request(
                "pools",
                rates=(100.0,),
                splits={**TWO, "third": {}},
                processes=(3,),
                slos=("regression < 5%",),
            ),
            "takes two variants",
            id="three splits",
        ),
        pytest.param(Request(slos=("p99(response) < 1ms",)), "has no response time", id="closed"),
        pytest.param(Request(slos=("p99(summary) < 1ms",)), "give a --mix that has", id="no such"),
        pytest.param(Request(users=(1,), rates=(1.0,)), "give one of them", id="open and closed"),
        pytest.param(Request("pools", users=(1,)), "give rates instead", id="users of streams"),
        pytest.param(Request(rates=(1.0,), slow=SLOW), "no slow work", id="slow work"),
        pytest.param(Request(arrivals="poisson"), "give a --rate", id="closed at random"),
        pytest.param(Request(host=URL, processes=(3,)), "leave it out with --host", id="host"),
        pytest.param(Request(splits=TWO, host=URL), "leave out --processes", id="split and host"),
        pytest.param(Request("wsgi", processes=(2,)), "leave out --processes", id="wsgi"),
        pytest.param(Request(full=True, stores=("*",)), "leave out --stores", id="full"),
        pytest.param(Request("nope"), "choose from crud, pools, wsgi", id="no scenario"),
    ],
)
def test_what_does_not_go_together_is_refused(request_: Request, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        request_.check()


@pytest.mark.parametrize(
    "request_",
    [
        Request(against=URL, slos=("regression < 5%",)),
        Request("wsgi", against=URL, slos=("regression < 5%",)),
        Request("pools", rates=(1.0,), splits=TWO, processes=(3,), slos=("regression < 5%",)),
    ],
    ids=["against", "wsgi against", "two splits"],
)
def test_a_regression_between_two_variants_is_accepted(request_: Request) -> None:
    request_.check()


def test_a_load_without_users_and_rates_has_eight_users() -> None:
    assert Request().users == (8,)
    assert Request(rates=(1.0,)).users == ()
