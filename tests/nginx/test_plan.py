"""split.toml read, changed key by key, compared, and written again."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.splitfile import updated_text
from nginx.options import CHECKS, DEFAULTS, as_text, from_text
from nginx.plan import DEFAULT_FILE, SplitPlan, differences, edit_plan, parse_plan, read_plan
from nginx.split import Balance, SplitError

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)


@st.composite
def plans(draw: st.DrawFn) -> SplitPlan:
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    pools = {name: draw(tables()) for name in names}
    pool = st.sampled_from(names)
    prefixes = draw(st.dictionaries(st.from_regex(r"/[a-z]{1,5}/", fullmatch=True), pool))
    methods = draw(st.dictionaries(st.sampled_from(["GET", "PUT", "DELETE"]), pool))
    headers = draw(st.dictionaries(st.sampled_from(["X-A: 1", "X-A: *", "X-B: low"]), pool))
    return SplitPlan(pools, prefixes, draw(pool), methods, headers)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    processes = draw(st.integers(1, 8))
    weights = st.lists(st.integers(1, 9), min_size=processes, max_size=processes)
    return {
        **DEFAULTS,
        "processes": processes,
        "weights": draw(st.one_of(st.just([]), weights)),
        "balance": str(draw(st.sampled_from(list(Balance)))),
        "hash": draw(st.sampled_from(["uri", "client", "header:X-User"])),
        "keepalive": draw(st.integers(0, 64)),
        "read_timeout": float(draw(st.integers(1, 100))),
        "retries": draw(st.integers(0, 3)),
        "maintenance": draw(st.sampled_from(["", "soon.html"])),
    }


@settings(max_examples=20)
@given(plans(), plans())
def test_what_is_written_is_read_again(one: SplitPlan, other: SplitPlan) -> None:
    """From the project's file to one plan, and from that to any other."""
    first = updated_text(DEFAULT_FILE.read_text(), one)
    assert parse_plan(tomllib.loads(first)) == one
    assert parse_plan(tomllib.loads(updated_text(first, other))) == other


@settings(max_examples=20)
@given(plans(), plans())
def test_the_differences_are_what_changed_needs(one: SplitPlan, other: SplitPlan) -> None:
    """Where both have the same pools; `split set` of what differs leads from one to the other."""
    if set(one.pools) != set(other.pools):
        return
    values = {key: new for key, _, new in differences(one, other)}
    assert edit_plan(one, values).flat() == other.flat()
    assert differences(one, one) == []


@given(tables())
def test_a_value_as_text_is_the_value(table: dict[str, Any]) -> None:
    assert {name: from_text(name, as_text(value)) for name, value in table.items()} == table


def test_every_key_is_in_the_file_with_its_default() -> None:
    plan = read_plan()
    assert set(CHECKS) == set(DEFAULTS)
    text = DEFAULT_FILE.read_text()
    for name, default in DEFAULTS.items():
        assert f"\n{name} = " in text
        assert plan.pools["slow"][name] == default


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('balance = "round_robin"', 'balance = "best"', "pools.fast.balance: must be one of"),
        ("max_conns = 0", "max_conns = -1", "pools.fast.max_conns: must be a whole number"),
        ("connect_timeout = 2.0", "connect_timeout = 0", "pools.fast.connect_timeout: must be"),
        ('"/slow/" = "slow"', '"slow" = "slow"', 'routes."slow": a prefix must start with /'),
        ("[routes.methods]", "[routes.methods]\nEAT = 'slow'", "routes.methods.EAT: choose"),
        ("[routes.headers]", "[routes.headers]\n'X' = 'slow'", 'routes.headers."X": write a'),
        (
            '"/slow/" = "slow"',
            '"/slow/" = ["slow"]',
            "routes.\"/slow/\": unknown pool ['slow']",
        ),
        ('"/slow/" = "slow"', '"/slow/" = { a = 1 }', 'routes."/slow/": unknown pool'),
        ('default = "fast"', 'default = ["fast"]', "routes.default: unknown pool ['fast']"),
        (
            "[routes.methods]",
            "[routes.methods]\nGET = ['fast']",
            "routes.methods.GET: unknown pool",
        ),
        (
            "[routes.headers]",
            "[routes.headers]\n'X-A: 1' = [1]",
            'routes.headers."X-A: 1": unknown',
        ),
        (
            'overflow = "none"',
            'overflow = ["shed"]',
            "pools.fast.overflow: must be one of none, shed",
        ),
        ('hash = "uri"', 'hash = ["uri"]', "pools.fast.hash: must be text, not ['uri']"),
        ('maintenance = ""', "maintenance = []", "pools.fast.maintenance: must be text, not []"),
        ("[pools.fast]", "[pools.Fast]", "pools.Fast: 'Fast' is not a pool name: use lower"),
        ("[pools.fast]", "[pools.'a b']", "pools.\"a b\": 'a b' is not a pool name"),
        ("[routes.methods]", "methods = 1", "routes.methods: must be a table"),
        ("[routes]", "[route]", "route: unknown table"),
        ("retries = 0", "retries = ", "at line {line}"),
    ],
)
def test_an_error_names_file_line_and_key(tmp_path: Path, old: str, new: str, told: str) -> None:
    file = tmp_path / "split.toml"
    text = DEFAULT_FILE.read_text()
    file.write_text(text.replace(old, new, 1))
    line = (text[: text.index(old)] + new).count("\n") + 1
    with pytest.raises(SplitError) as error:
        read_plan(file)
    assert str(error.value).startswith((f"{file}:{line}: {told}", f"{file}: Invalid value"))
    assert told.format(line=line) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_toml_any_more_is_written_anew() -> None:
    plan = read_plan()
    assert "fast" in updated_text("[pools.fast", plan)
