"""What of the split can be chosen on the page: nothing beyond closed sets."""

from __future__ import annotations

import pytest

from windtunnel.live.choices import ChoiceError, choices

FLAT = {
    "pools.fast.processes": "3",
    "pools.fast.balance": "round_robin",
    "pools.fast.weights": "",
    "pools.fast.keepalive": "128",
    "pools.slow.processes": "12",
    "pools.slow.balance": "hash",
    "pools.slow.weights": "",
    "pools.slow.maintenance": "",
    "routes.default": "fast",
    'routes."/slow/"': "slow",
}
CHOICES = choices(FLAT, ["round_robin", "hash"])


@pytest.mark.parametrize(
    "changes",
    [
        {"pools.fast.processes": "1"},
        {"pools.slow.processes": "12"},
        {"pools.fast.balance": "hash"},
        {'routes."/slow/"': "fast"},
        {"pools.fast.weights": "1,2,10"},
        {"pools.fast.weights": ""},
        {"pools.fast.processes": "2", "pools.fast.weights": "3,1"},
        {},
    ],
)
def test_what_is_offered_can_be_chosen(changes: dict[str, str]) -> None:
    CHOICES.check(changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"pools.fast.processes": "0"},
        {"pools.fast.processes": "9"},
        {"pools.fast.processes": "1e1"},
        {"pools.fast.processes": " 1"},
        {"pools.fast.processes": "\uff19"},
        {"pools.fast.balance": "round_robin; } server {"},
        {"pools.fast.keepalive": "1"},
        {"pools.slow.maintenance": "../../etc/passwd"},
        {"pools.other.processes": "1"},
        {'routes."/"': "fast"},
        {'routes."/slow/"': "nowhere"},
        {"pools.fast.weights": "1,2"},
        {"pools.fast.weights": "1,2,11"},
        {"pools.fast.weights": "1,2,3\n"},
        {"pools.fast.weights": "1,2,3", "pools.fast.processes": "2"},
        {"pools.fast.processes": "x", "pools.fast.weights": "1"},
        {"pools.fast.weights": "1", "pools.fast.processes": "x"},
    ],
)
def test_nothing_else_can(changes: dict[str, str]) -> None:
    with pytest.raises(ChoiceError):
        CHOICES.check(changes)
