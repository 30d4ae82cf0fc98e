"""What the planner answers, and that it stands on the same rule as what is measured."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.windtunnel.served import ROOT
from windtunnel.analysis.slo import parse
from windtunnel.analysis.stats import IntervalEstimate
from windtunnel.recording import tuning_results
from windtunnel.reports.plan import left_out, lines
from windtunnel.tuning.distributions import Constant
from windtunnel.tuning.forecast import Forecast, Length, forecast
from windtunnel.tuning.layout import FAST, SLOW, PoolLayout, pool_layouts, read
from windtunnel.tuning.objectives import Evaluation, ObjectiveError, front, kinds, ranked
from windtunnel.tuning.planner import PlanResult, overloaded, plan, why_infeasible
from windtunnel.tuning.system_model import Traffic, work


@dataclass(frozen=True)
class Known:
    """Figures as a test wants them: any quantile in ms, a throughput."""

    ms: float
    rate: float = 100.0
    failed_share: float = 0.0

    def quantile(
        self, q: float, operation: str | None = None, latency: str = "response"
    ) -> IntervalEstimate:
        return IntervalEstimate(self.ms * 1000, None, None, 1)

    @property
    def throughput(self) -> IntervalEstimate:
        return IntervalEstimate(self.rate, None, None, 1)


def evaluation(name: str, fast: float, done: float, slo: str = "p99(fast) < 50ms") -> Evaluation:
    return Evaluation(read(name), {FAST: Known(fast), SLOW: Known(100, done)}, [parse(slo)])


def names(some: list[Evaluation]) -> list[str]:
    return [each.layout.name for each in some]


# -- layouts ----------------------------------------------------------------------------------


def test_every_way_to_divide_four() -> None:
    assert [d.name for d in pool_layouts(4)] == ["4-together", "3+1", "2+2", "1+3"]
    both = [d.name for d in pool_layouts(2, ["round_robin", "least_conn"])]
    assert both == ["2-together", "1+1", "2-together-least_conn"]


@given(st.integers(1, 64), st.integers(0, 64), st.sampled_from(["round_robin", "random_two"]))
def test_a_division_is_read_by_its_name(fast: int, slow: int, balance: str) -> None:
    layout = PoolLayout(fast, slow, balance)
    assert read(layout.name) == layout


@pytest.mark.parametrize("name", ["", "3", "0+1", "a+b", "3+", "-1+2", "3+1 least_conn"])
def test_what_is_no_division_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no layout"):
        read(name)


def test_together_sends_slow_work_to_the_fast_pool() -> None:
    apart, together = read("3+1").settings, read("4-together").settings
    assert (apart['routes."/slow/"'], together['routes."/slow/"']) == ("slow", "fast")
    assert together["pools.fast.processes"] == "4"


# -- the rule -----------------------------------------------------------------------------------


def test_objectives_come_first_then_slow_work_then_the_margin() -> None:
    some = [
        evaluation("4-together", 60, 100),
        evaluation("3+1", 1, 60),
        evaluation("2+2", 3, 99.5),
        evaluation("1+3", 9, 100),
    ]
    assert names(ranked(some)) == ["2+2", "1+3", "3+1", "4-together"]


def test_where_nothing_holds_the_nearest_is_first() -> None:
    some = [evaluation("4-together", 200, 100), evaluation("3+1", 60, 1)]
    assert names(ranked(some)) == ["3+1", "4-together"]
    assert not ranked(some)[0].holds


def test_the_front_has_who_is_beaten_by_nobody_in_both() -> None:
    some = [evaluation("4-together", 60, 100), evaluation("3+1", 1, 60), evaluation("2+2", 3, 59)]
    assert names(front(some)) == ["4-together", "3+1"]


@given(st.lists(st.tuples(st.floats(1, 1e3), st.floats(1, 1e3)), min_size=1, max_size=8))
def test_everyone_off_the_front_is_beaten_by_someone_on_it(
    points: list[tuple[float, float]],
) -> None:
    some = [evaluation("3+1", fast, done) for fast, done in points]
    on = front(some)
    assert on
    for one in some:
        assert any(
            other.fast_p99.estimate <= one.fast_p99.estimate
            and other.throughput.estimate >= one.throughput.estimate
            for other in on
        )


@pytest.mark.parametrize(
    ("slo", "of"),
    [
        ("p99(response, read, fast) < 50ms", ("fast",)),
        ("p99(sleep) < 50ms", ("slow",)),
        ("p99(slow) < 50ms", ("slow",)),
        ("p99 < 50ms", ("fast", "slow")),
    ],
)
def test_whom_an_objective_speaks_of(slo: str, of: tuple[str, ...]) -> None:
    assert kinds(parse(slo)) == of


@pytest.mark.parametrize("slo", ["p99(sleep, fast) < 5ms", "regression < 5%", "p99(pool:x) < 5ms"])
def test_an_objective_that_says_nothing_of_splits_is_refused(slo: str) -> None:
    with pytest.raises(ObjectiveError):
        kinds(parse(slo))


# -- the planner --------------------------------------------------------------------------------


def traffic(fast: float, slow: float, cores: float | None = None) -> Traffic:
    """Fast work of 1 ms, slow work of 20 ms that waits."""
    return Traffic(
        work(FAST, fast, Constant(0.001), poisson=True),
        work(SLOW, slow, Constant(0.02), poisson=True, cpu=0),
        cores,
    )


def test_the_smallest_that_holds_is_the_answer() -> None:
    planned = plan(traffic(300, 60), [parse("p99(fast) < 15ms")], most=5, balances=("round_robin",))
    assert planned.best is not None
    assert planned.best.layout == PoolLayout(1, 2)
    assert planned.next_best is not None
    assert planned.next_best.layout.processes == 4
    assert planned.overloaded["1+1"] == "the slow pool would be 120% busy"
    assert {each.layout.processes for each in planned.evaluations} == {2, 3, 4}


def test_no_split_holds_what_cannot_be() -> None:
    planned = plan(traffic(50, 5), [parse("p99(fast) < 900us")], most=2, balances=("round_robin",))
    assert planned.best is None
    assert planned.evaluations


@pytest.mark.parametrize(
    ("asked", "slo", "most", "said"),
    [
        ((3000, 1, 2), "p99(fast) < 50ms", 8, ["3.0 cores of work, and 2 there: give 4 cores"]),
        ((50, 5, None), "p99(fast) < 900us", 8, ["takes 1.00 ms (p99) even where nothing waits"]),
        ((10, 200, None), "p99(slow) < 1s", 4, ["keeps 5 processes busy: give more than 4 (--pro"]),
        (
            (50_000, 900, 9),
            "p99 < 1s",
            64,
            ["give 52 cores", "keeps 70 processes busy, and 64 are"],
        ),
        ((300, 5, None), "throughput(slow) > 6/s", 8, ["no more than 5/s of slow work come"]),
        ((300, 60, 2), "p99(fast) < 5ms", 4, ["give more processes (--processes) or cores (--cor"]),
        ((300, 60, None), "p99(fast) < 5ms", 64, ["as many as can be"]),
    ],
)
def test_what_cannot_be_kept_is_named(
    asked: tuple[float, float, float | None], slo: str, most: int, said: list[str]
) -> None:
    found = why_infeasible(traffic(*asked), [parse(slo)], most)
    assert len(found) == len(said), found
    for why, part in zip(found, said, strict=True):
        assert part in why


def test_where_nothing_holds_a_few_left_out_are_named_and_the_rest_counted() -> None:
    planned = plan(traffic(50, 9999), [parse("p99 < 1s")], most=12, balances=("round_robin",))
    *named, rest = left_out(planned)
    assert named[-1] == "left out: 1+11: the slow pool would be 1818% busy"
    assert rest == f"left out besides: {78 - len(named)} splits (--json has all)"
    assert len(named) < 10
    (answer,) = lines(planned)
    assert "keeps 205 processes busy, and 64 are tried at most" in answer


@pytest.mark.parametrize(("fast", "slow"), [(0.1, 0.1), (100, 0.1), (0.1, 100), (300, 20)])
def test_a_p99_stands_on_a_thousand_requests_of_its_kind(fast: float, slow: float) -> None:
    asked, slos = traffic(fast, slow), [parse("p99(slow) < 1s")]
    found = PlanResult(asked, slos, 4).requests
    assert min(found.values()) >= 1000
    assert not PlanResult(asked, slos, 4).too_few


def test_a_higher_quantile_stands_on_more() -> None:
    planned = PlanResult(traffic(0.1, 0.1), [parse("p99.9(slow) < 1s")], 4)
    assert planned.requests[SLOW] >= 10_000


def test_what_is_asked_for_does_come() -> None:
    planned = plan(traffic(0.1, 0.1), [parse("p99 < 1s")], most=1, balances=("round_robin",))
    (only,) = planned.evaluations
    for each in only.works.values():
        assert isinstance(each, Forecast)
        assert each.arrived >= 1000


def test_work_too_rare_beside_the_other_is_called_doubtful() -> None:
    some = [evaluation("3+1", 1, 1)]
    planned = PlanResult(traffic(20_000, 0.1), [parse("p99(slow) < 1s")], 4, some)
    assert planned.too_few == {SLOW: 1000}
    assert "Doubtful: about 120 requests of slow work were simulated" in "".join(lines(planned))


def test_too_little_of_a_machine_is_said() -> None:
    assert (
        overloaded(PoolLayout(9, 9), traffic(3000, 1, cores=2)) == "3.0 cores of work, and 2 there"
    )
    assert overloaded(PoolLayout(4, 1), traffic(3000, 1)) is None


def test_what_cannot_keep_up_is_never_answered_in_the_tail() -> None:
    model = PoolLayout(1, 1).system_model(traffic(10, 200).fast, traffic(10, 200).slow, None)
    found = forecast(model, Length(warmup=0, duration=2, patience=1))
    assert math.isinf(found[SLOW].quantile(0.99).estimate)
    assert found[SLOW].throughput.estimate == pytest.approx(50, rel=0.05)
    assert found[SLOW].failed_share > 0.5
    assert found[FAST].failed_share == 0


def command(*arguments: str, into: Path) -> subprocess.CompletedProcess[str]:
    rates = ("--fast-rate", "300", "--slow-rate", "20", "--processes", "2")
    return subprocess.run(
        [sys.executable, "-m", "windtunnel", "plan", *rates, "--results", str(into), *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_command_says_split_margin_and_that_it_was_never_checked(tmp_path: Path) -> None:
    done = command("--slo", "p99(response, fast) < 10ms", "--cores", "4", into=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.match(
        r"Split: 1 fast and 1 slow.*: p99\(response, fast\) < 10ms.*x better", done.stdout
    )
    assert "Next best: " in done.stdout
    assert "The model was never checked here" in done.stdout
    assert "assumed service times" in done.stdout


def test_no_more_processes_are_tried_than_are_allowed(tmp_path: Path) -> None:
    many = ("--fast-rate", "1e6", "--slow-rate", "1e6", "--cores", "1024")
    done = subprocess.run(
        [sys.executable, "-m", "windtunnel", "plan", *many, "--slo", "p99 < 1s", "--json",
         "--results", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert len(told["left_out"]) == 64 * 65 // 2
    assert [part for why in told["bounds"] for part in ("cores", "64") if part in why]


def test_programs_are_told_the_same(tmp_path: Path) -> None:
    asked = ("--slo", "p99(response, fast) < 10ms", "--cores", "4")
    told = json.loads(command(*asked, "--json", into=tmp_path).stdout)
    best = told["splits"][0]
    assert (best["split"], best["processes"], best["holds"]) == ("1+1", 2, True)
    assert best["settings"]["pools.slow.processes"] == "1"
    (objective,) = best["objectives"]
    assert objective["margin"] == pytest.approx(10_000 / objective["value"]["estimate"])
    assert best["fast_p99_us"] == objective["value"]
    assert f"{objective['margin']:.3g}x better" in command(*asked, into=tmp_path).stdout
    assert told["error"] is None
    assert told["source"].startswith("assumed service times")


def test_the_command_takes_service_times_and_error_from_a_run_of_tune(tmp_path: Path) -> None:
    folder = tmp_path / "2026-11-21T00-00-00-pools"
    folder.mkdir()
    (folder / "run.json").write_text("{}")

    def of(us: float) -> tuning_results.Estimate:
        return tuning_results.Estimate(estimate=us)

    tried = [
        tuning_results.SplitResult(
            name=name, rounds=6, holds=True, fast_p99_us=of(1000), slow_rps=of(20),
            predicted_fast_p99_us=of(us), predicted_slow_rps=of(20),
        )
        for name, us in (("3+1", 1250.0), ("2+2", 800.0), ("4-together", 1500.0))
    ]  # fmt: skip
    fast = tuning_results.WorkProfile(rate=100, service_us=[900, 1100])
    slow = tuning_results.WorkProfile(rate=10, service_us=[30_000], cpu=0)
    tuning_results.save(
        folder,
        tuning_results.TuningResult(
            slos=[], former="3+1", recommended="3+1", ended="", tried=tried, fast=fast, slow=slow
        ),
    )
    done = command("--slo", "p99(slow) < 1s", "--from", folder.name, into=tmp_path)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "1.00 ms on average" in said
    assert "30.0 ms each, 0% of it computing" in said
    assert "fast p99 off by 25% (median), 50% at worst" in said
    assert folder.name in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--slo", "p99(fast) < 1us"), None),
        (("--slo", "p99(sleep, fast) < 1ms"), "sleep is slow work"),
        (("--slo", "failures < 1%"), "in the model nothing fails"),
        (("--slo", "p99 < 1ms", "--slow-ms", "gauss:3"), "write milliseconds as"),
        (("--slo", "p99 < 1ms", "--balance", "fair"), "choose from round_robin"),
        (("--slo", "p99 < 1ms", "--from", "nowhere"), "no run 'nowhere'"),
    ],
)
def test_wrong_usage_is_a_line(
    arguments: tuple[str, ...], said: str | None, tmp_path: Path
) -> None:
    done = command(*arguments, into=tmp_path)
    assert done.returncode == {None: 1, "no run 'nowhere'": 3}.get(said, 2)
    if said is not None:
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
