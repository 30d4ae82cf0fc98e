from __future__ import annotations

from pathlib import Path

import pytest

from nginx.plan import read_plan
from nginx.split import Balance, Pool, Split, SplitError


def test_the_file_in_the_project_is_the_articles_split() -> None:
    plan = read_plan()
    split = plan.split({"fast": (1, 2, 3), "slow": (4,)})
    assert {name: len(pool.ports) for name, pool in split.pools.items()} == {"fast": 3, "slow": 1}
    assert (split.routes, split.default) == ({"/slow/": "slow"}, "fast")


def test_weights_are_kept_while_they_fit() -> None:
    split = Split({"fast": Pool((1, 2), weights=(3, 1))}, routes={})
    assert split.with_ports("fast", (5, 6)).pools["fast"].members == ((5, 3), (6, 1))
    assert split.with_ports("fast", (5,)).pools["fast"].members == ((5, 1),)


@pytest.mark.parametrize("ports", [(), (1, 1)])
def test_a_pool_has_processes_each_once(ports: tuple[int, ...]) -> None:
    with pytest.raises(SplitError):
        Pool(ports)


@pytest.mark.parametrize("weights", [(1,), (1, 0), (1, 2, 3)])
def test_weights_are_whole_and_one_a_process(weights: tuple[int, ...]) -> None:
    with pytest.raises(SplitError, match="weight"):
        Pool((1, 2), weights=weights)


@pytest.mark.parametrize(
    ("routes", "default"),
    [
        ({"/slow/": "nowhere"}, "fast"),
        ({"slow": "fast"}, "fast"),
        ({}, "nowhere"),
        ({"/a b": "fast"}, "fast"),
        ({"/{": "fast"}, "fast"),
    ],
)
def test_a_route_is_a_prefix_and_goes_to_a_pool(routes: dict[str, str], default: str) -> None:
    with pytest.raises(SplitError):
        Split({"fast": Pool((1,))}, routes, default)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[pools.fast]\nprocesses = x", "line 2"),
        ("[pools.fast]\n[routes]\n'/slow/' = 'slow'", "unknown pool 'slow'"),
        ("[pools.fast]\nbalance = 'best'\n[routes]", "best"),
        ("[pools.fast]\nproceses = 2\n[routes]", "2: pools.fast.proceses: unknown key"),
        ("[pools.fast]\nprocesses = 2\nweights = [1]\n[routes]", "2"),
        ("[pools.fast]\nprocesses = 0\n[routes]", "2: pools.fast.processes: must be a whole"),
        ("[pools.fast]", "routes"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_it(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "split.toml"
    file.write_text(text)
    with pytest.raises(SplitError) as error:
        read_plan(file)
    assert str(file) in str(error.value)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_no_file_is_one_line_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="nothere"):
        read_plan(tmp_path / "nothere.toml")


def test_every_balance_has_a_directive() -> None:
    assert {balance: Pool((1,), balance).directive for balance in Balance} == {
        "round_robin": "",
        "least_conn": "least_conn;",
        "random_two": "random two least_conn;",
        "ip_hash": "ip_hash;",
        "hash": "hash $request_uri consistent;",
    }
