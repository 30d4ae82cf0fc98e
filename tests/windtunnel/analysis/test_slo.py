"""An objective is read as it is written, refused with its place, and judged by the rules."""

import contextlib
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.windtunnel.generate import Made, cells, info
from windtunnel.analysis.keys import ALONE, OPERATIONS
from windtunnel.analysis.slo import LATENCIES, Slo, SloError, parse
from windtunnel.analysis.summary import State, Verdict
from windtunnel.analysis.verdicts import has_failed, judge
from windtunnel.recording.results import Run

PAIR = ("redis/async/fast", "sqlite/async/fast")
BASE = {"redis/async/fast": 400.0, "sqlite/async/fast": 4000.0}

amounts = st.floats(min_value=1e-9, max_value=1e9, allow_nan=False)
globs = st.none() | st.text("abz-*/?[]", min_size=1, max_size=20)
operations = st.none() | st.sampled_from(OPERATIONS)
pools = st.none() | st.sampled_from(["fast", "slow", "reports", "read"])
latencies = st.builds(
    Slo,
    st.sampled_from(LATENCIES),
    amounts,
    st.sampled_from(["us", "ms", "s"]),
    st.sampled_from([None, "service", "response"]),
    operations,
    globs,
    pools,
)
shares, rates = (
    st.builds(Slo, st.just(of), amounts, st.just(unit), st.none(), operations, globs, pools)
    for of, unit in (("failures", "%"), ("throughput", "/s"))
)
regressions = st.builds(
    Slo, st.just("regression"), amounts, st.just("%"), st.none(), st.none(), globs
)


@given(st.one_of(latencies, shares, rates, regressions))
def test_what_is_written_is_read_back(slo: Slo) -> None:
    assert parse(str(slo)) == slo


@given(st.text(max_size=40))
def test_other_text_is_refused_in_one_line(text: str) -> None:
    assume(not text.strip().startswith((*LATENCIES, "throughput", "failures", "regression")))
    with pytest.raises(SloError, match=r"\A['\"].*, place \d+ \(.*\): [^\n]+\Z"):
        parse(text)


@given(st.from_regex(r"p99\(?[a-z, ]*\)? ?[<>] ?[0-9.]*[a-z%/]*( on .*)?", fullmatch=True))
def test_what_is_nearly_an_objective_never_ends_in_another_error(text: str) -> None:
    with contextlib.suppress(SloError):
        assert parse(str(parse(text))) == parse(text)


@pytest.mark.parametrize(
    ("text", "slo", "limit"),
    [
        (
            "p99(response, read) < 50ms",
            Slo("p99", 50, "ms", "response", "read"),
            50_000,
        ),
        (
            "p99(read)<20ms on postgres-*/async/*",
            Slo("p99", 20, "ms", None, "read", "postgres-*/async/*"),
            20_000,
        ),
        (" p99.9 ( service ) < 1.5 s ", Slo("p99.9", 1.5, "s", "service"), 1_500_000),
        ("max(edit) < 900us", Slo("max", 900, "us", None, "edit"), 900),
        ("regression < 10%", Slo("regression", 10, "%"), 0.1),
        ("failures < 0.1%", Slo("failures", 0.1, "%"), 0.001),
        ("throughput > 500/s", Slo("throughput", 500, "/s"), 500),
        (
            "p99(response, read, fast) < 50ms",
            Slo("p99", 50, "ms", "response", "read", pool="fast"),
            50_000,
        ),
        ("p99(pool:reports) < 1s", Slo("p99", 1, "s", pool="reports"), 1_000_000),
        (
            "throughput(sleep, slow) > 5/s",
            Slo("throughput", 5, "/s", None, "sleep", None, "slow"),
            5,
        ),
    ],
)
def test_the_ways_to_write_one(text: str, slo: Slo, limit: float) -> None:
    assert parse(text) == slo
    assert slo.limit == pytest.approx(limit)


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ("", 1, "expected one of p50"),
        ("p98(read) < 5ms", 1, "expected one of p50"),
        ("p99(red) < 5ms", 5, "expected service or response, then one of create"),
        ("p99(read, response) < 5ms", 11, "expected service or response"),
        ("failures(response) < 1%", 10, "expected one of create"),
        ("p99(fast, read) < 5ms", 11, "then a pool (fast, slow, pool:NAME)"),
        ("p99(read, quick) < 5ms", 11, "then a pool (fast, slow, pool:NAME)"),
        ("p99(fast, slow) < 5ms", 11, "then a pool (fast, slow, pool:NAME)"),
        ("regression(read) < 1%", 11, "takes nothing in brackets"),
        ("p99(read < 5ms", 4, "never closed"),
        ("p99(read) > 5ms", 11, "expected < after p99"),
        ("p99(read) <= 5ms", 12, "expected a number"),
        ("p99(read) < 5", 14, "expected us or ms or s after 5"),
        ("p99(read) < 5min", 14, "expected us or ms or s"),
        ("p99(read) < 0ms", 13, "more than 0"),
        ("throughput < 5/s", 12, "expected > after throughput"),
        ("p99(read) < 5ms at redis", 17, "expected 'on'"),
        ("p99(read) < 5ms on a b", 20, "one glob"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, place: int, why: str) -> None:
    with pytest.raises(SloError) as caught:
        parse(text)
    assert f"place {place} (" in str(caught.value)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def run_of(**changes: Any) -> Run:
    made = Made(**{"stores": PAIR, "base_us": BASE, "samples": 2000, "rounds": 2, **changes})
    return Run(path=Path("made"), info=info(made), cells=cells(made), damaged=[])


def states(text: str, run: Run) -> dict[tuple[str | None, str | None], State]:
    return {
        (verdict.store, verdict.operation): verdict.state for verdict in judge([parse(text)], run)
    }


def test_a_latency_holds_for_one_store_and_fails_for_another() -> None:
    assert states("p50(read) < 2ms", run_of()) == {
        ("redis/async/fast", "read"): State.HOLDS,
        ("sqlite/async/fast", "read"): State.FAILS,
    }
    assert list(states("p50(read) < 2ms on redis/*", run_of())) == [("redis/async/fast", "read")]


def test_without_an_operation_each_is_judged() -> None:
    outcomes = states("p50 < 2ms on redis/*", run_of())
    assert [operation for _, operation in outcomes] == ["create", "read", "edit", "delete"]


def test_a_pool_is_asked_for_what_it_answered() -> None:
    run = run_of(stores=PAIR[:1])
    moved = [
        msgspec.structs.replace(
            cell,
            operations=[
                msgspec.structs.replace(verdict, pool="slow")
                if verdict.operation == "read"
                else verdict
                for verdict in cell.operations
            ],
        )
        for cell in run.cells
    ]
    run = msgspec.structs.replace(run, cells=moved)
    store = PAIR[0]
    assert states("p50(read, slow) < 2ms", run) == {(store, "read (slow pool)"): State.HOLDS}
    assert states("p50(read) < 2ms", run) == {(store, "read (slow pool)"): State.HOLDS}
    assert states("p50(read, fast) < 2ms", run) == {(None, None): State.FAILS}
    fast = states("p50(fast) < 2ms", run)
    assert [operation for _, operation in fast] == ["create", "edit", "delete"]
    assert states("throughput(fast) > 1/s", run) == {(store, None): State.HOLDS}
    assert states("throughput(pool:reports) > 1/s", run) == {(store, None): State.FAILS}


def test_the_latency_that_counts_is_the_response_under_open_load() -> None:
    run = run_of(users=(8,), rates=(500.0,))
    verdicts = judge([parse("p99(read) < 20ms on redis/*")], run)
    assert [(verdict.load and verdict.load.open, verdict.state) for verdict in verdicts] == [
        (True, State.FAILS),
        (False, State.HOLDS),
    ]
    service = judge([parse("p99(service, read) < 20ms on redis/*")], run)
    assert {verdict.state for verdict in service} == {State.HOLDS}


def test_too_few_samples_cannot_tell() -> None:
    (verdict,) = judge([parse("p99.9(read) < 1s on redis/*")], run_of(samples=100))
    assert (verdict.state, verdict.why) == (State.INCONCLUSIVE, "needs 10,000 samples")
    assert not has_failed([verdict])


def test_failures_take_the_quantiles_that_they_reach() -> None:
    run = run_of(failing={"redis/async/fast": 0.02})
    assert states("p99(read) < 60s on redis/*", run) == {(PAIR[0], "read"): State.FAILS}
    assert states("p50(read) < 60s on redis/*", run) == {(PAIR[0], "read"): State.HOLDS}
    assert states("max(read) < 60s on redis/*", run) == {(PAIR[0], "read"): State.FAILS}


def test_skipped_requests_are_failures() -> None:
    run = run_of(users=(), rates=(500.0,), skipping={"redis/async/fast": 0.02})
    assert states("failures < 1%", run) == {
        (PAIR[0], None): State.FAILS,
        (PAIR[1], None): State.HOLDS,
    }
    assert states("p99(read) < 60s on redis/*", run) == {(PAIR[0], "read"): State.FAILS}


def test_throughput_is_what_was_answered_in_the_time_measured() -> None:
    (verdict,) = judge([parse("throughput(read) > 399/s on redis/*")], run_of())
    assert verdict.found == pytest.approx(400)
    assert verdict.state is State.HOLDS
    assert states("throughput > 700/s on redis/*", run_of()) == {(PAIR[0], None): State.FAILS}


def test_where_the_generator_was_the_limit_nothing_fails() -> None:
    run = run_of(users=(), rates=(500.0,), limited=PAIR)
    outcomes = states("p50(read) < 2ms", run)
    assert outcomes == {(PAIR[0], "read"): State.HOLDS, (PAIR[1], "read"): State.INCONCLUSIVE}


def test_a_generator_at_its_limit_excuses_no_failed_answer() -> None:
    run = run_of(users=(), rates=(500.0,), limited=PAIR, failing={PAIR[0]: 0.3})
    for text in ("failures < 0.1%", "failures(read) < 0.1%", "p99(read) < 60s", "max(read) < 60s"):
        (verdict,) = judge([parse(f"{text} on redis/*")], run)
        assert verdict.state is State.FAILS


def test_what_it_never_sent_is_excused() -> None:
    run = run_of(users=(), rates=(500.0,), limited=PAIR, skipping={PAIR[0]: 0.3})
    (verdict,) = judge([parse("p99(read) < 60s on redis/*")], run)
    assert verdict.state is State.INCONCLUSIVE


@pytest.mark.parametrize(("limited", "state"), [(3, State.FAILS), (4, State.INCONCLUSIVE)])
def test_a_generator_is_an_excuse_in_more_than_half_of_the_cells(
    limited: int, state: State
) -> None:
    flags = {(PAIR[1], number): ["a lower bound"] for number in range(1, limited + 1)}
    run = run_of(users=(), rates=(500.0,), rounds=6, flags=flags)
    for text in ("p50(read) < 1us", "throughput > 5000/s"):
        (verdict,) = judge([parse(f"{text} on sqlite/*")], run)
        assert verdict.state is state


@pytest.mark.parametrize("text", ["p99(find) < 1s", "p99(read) < 1s on mongo/*"])
def test_what_was_not_measured_has_not_held(text: str) -> None:
    verdicts = judge([parse(text)], run_of())
    assert [verdict.why for verdict in verdicts] == ["nothing that was measured matches it"]
    assert has_failed(verdicts)


def test_a_store_without_a_clean_cell_has_not_held() -> None:
    void = {(PAIR[1], number): "the server did not answer" for number in (1, 2)}
    for text in ("p50(read) < 1s", "failures < 1%", "throughput > 1/s"):
        verdicts = judge([parse(text)], run_of(void=void))
        assert [(verdict.store, verdict.state) for verdict in verdicts] == [
            (PAIR[0], State.HOLDS),
            (PAIR[1], State.FAILS),
        ]
        assert verdicts[1].why == "no cell of it could be measured: the server did not answer"
    assert states("p50(read) < 1s on redis/*", run_of(void=void)) == {
        (PAIR[0], "read"): State.HOLDS
    }


def test_a_clean_cell_is_enough_and_others_loads_and_operations_are_not_asked_for() -> None:
    once = run_of(void={(PAIR[1], 1): "the server did not answer"})
    assert set(states("p50(read) < 1s", once).values()) == {State.HOLDS}
    void = {(store, number): "no answer" for store in PAIR for number in (1, 2)}
    alone = run_of(mixes=("create", "read"), void=void)
    failures = judge([parse("p50(read) < 1s")], alone)
    assert [verdict.load and verdict.load.mix for verdict in failures] == [ALONE, ALONE]
    closed = judge([parse("p50(response) < 1s")], run_of(users=(8,), rates=(100.0,), void=void))
    assert {verdict.load and verdict.load.rate for verdict in closed} == {100.0}
    zero = "memory/async/volatile"
    unnamed = run_of(stores=(*PAIR, zero), void={(zero, number): "no answer" for number in (1, 2)})
    assert set(states("p50(read) < 1s", unnamed).values()) == {State.HOLDS}


def test_response_time_under_closed_load_alone_says_what_is_missing() -> None:
    (verdict,) = judge([parse("p99(response, read) < 1s")], run_of())
    assert verdict.why == "closed load has no response time: give a --rate"


def test_the_reference_is_judged_only_when_it_is_named() -> None:
    run = run_of(stores=(*PAIR, "memory/async/volatile"))
    assert "memory/async/volatile" not in {s for s, _ in states("p50(read) < 1us", run)}
    assert states("p50(read) < 1us on memory/*", run)


def test_the_reference_alone_says_how_to_name_it() -> None:
    (verdict,) = judge([parse("p50(read) < 1us")], run_of(stores=("memory/async/volatile",)))
    assert verdict.state is State.FAILS
    assert verdict.why == "memory is the zero of the scale: name it with `on memory/*`"


def test_nothing_fails_in_silence() -> None:
    draw = random.Random(3)
    every = [Verdict(slo="", state=draw.choice(list(State))) for _ in range(20)]
    assert has_failed(every) is (State.FAILS in {verdict.state for verdict in every})
