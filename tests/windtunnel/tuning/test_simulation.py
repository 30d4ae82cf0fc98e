"""The model against queueing theory where that is exact, and against what can never be otherwise.

Seeds are fixed, so each test gives the same answer every time. How near is near enough comes from
the simulation's own spread: a theory has to be inside of what its rounds allow at 99.9 %.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from statistics import fmean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validation import queueing
from windtunnel.analysis.stats import t_two_sided
from windtunnel.tuning.balancing import BALANCERS
from windtunnel.tuning.distributions import Constant, DurationError, Exponential, Measured, parse
from windtunnel.tuning.simulation import WorkCounts, simulate
from windtunnel.tuning.system_model import Pool, SystemModel, Work

ROUNDS = 20
MD1, MMC = (40.0, 0.02), (120.0, 0.02, 3)


def seen(
    work: Work, pool: Pool, cores: float | None = None, seconds: float = 150
) -> list[WorkCounts]:
    model = SystemModel([work], {"pool": pool}, {work.name: "pool"}, cores)
    return [
        simulate(model, number, warmup=seconds / 10, duration=seconds)[work.name]
        for number in range(ROUNDS)
    ]


def agrees(found: Sequence[float], theory: float) -> bool:
    """Whether the mean of independent rounds can be `theory`, at 99.9 %."""
    error = stdev(found) / math.sqrt(len(found))
    return t_two_sided((fmean(found) - theory) / error, len(found) - 1) > 0.001


def below(some: Sequence[WorkCounts], time: float) -> list[float]:
    """The share of each round that waited at most so long, give or take what a float cannot."""
    return [sum(wait <= time + 1e-9 for wait in one.waits) / len(one.waits) for one in some]


# -- theory -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def md1() -> list[WorkCounts]:
    rate, service = MD1
    return seen(Work("work", rate, Constant(service), poisson=True), Pool((1,)))


@pytest.fixture(scope="module")
def mmc() -> list[WorkCounts]:
    rate, service, servers = MMC
    return seen(
        Work("work", rate, Exponential(service), poisson=True),
        Pool((1,), concurrency=servers),
        seconds=50,
    )


def test_the_mean_wait_is_that_of_m_d_1(md1: list[WorkCounts]) -> None:
    assert agrees([fmean(one.waits) for one in md1], queueing.md1_mean_wait(*MD1))


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99, 0.999])
def test_waits_are_spread_as_in_m_d_1(md1: list[WorkCounts], share: float) -> None:
    time = queueing.md1_wait(share, *MD1)
    assert agrees(below(md1, time), queueing.md1_wait_below(time, *MD1))


def test_the_mean_wait_is_that_of_m_m_c(mmc: list[WorkCounts]) -> None:
    assert agrees([fmean(one.waits) for one in mmc], queueing.mmc_mean_wait(*MMC))


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_waits_are_spread_as_in_m_m_c(mmc: list[WorkCounts], share: float) -> None:
    assert agrees(below(mmc, queueing.mmc_wait(share, *MMC)), share)


def test_who_waits_at_all_is_erlangs_c(mmc: list[WorkCounts]) -> None:
    assert agrees([1 - share for share in below(mmc, 0.0)], queueing.mmc_wait_at_all(*MMC))


def test_shared_cores_are_m_m_c_in_the_mean() -> None:
    """Where each request has a lane of its own, so many are there as in M/M/c."""
    rate, service, cores = MMC
    work = Work("work", rate, Exponential(service), poisson=True)
    found = seen(work, Pool((1,), concurrency=100), cores=cores, seconds=25)
    whole = queueing.mmc_mean_wait(*MMC) + service
    assert agrees([fmean(one.responses) for one in found], whole)


def test_a_hash_over_processes_is_as_many_m_d_1() -> None:
    work = Work("work", 80, Constant(0.02), poisson=True)
    found = seen(work, Pool((1, 1), "hash"), seconds=50)
    assert agrees([fmean(one.waits) for one in found], queueing.md1_mean_wait(*MD1))


def test_wrong_theory_does_not_agree(md1: list[WorkCounts]) -> None:
    assert not agrees([fmean(one.waits) for one in md1], 1.2 * queueing.md1_mean_wait(*MD1))


@pytest.mark.parametrize(("rate", "service"), [(40.0, 0.02), (10.0, 0.05)])
def test_the_series_of_m_d_1_has_the_mean_of_pollaczek_and_khinchine(
    rate: float, service: float
) -> None:
    step = service / 10
    beyond = (1 - queueing.md1_wait_below(step * (n + 0.5), rate, service) for n in range(400))
    mean = step * sum(beyond)
    assert mean == pytest.approx(queueing.md1_mean_wait(rate, service), rel=0.01)


def test_a_queue_that_grows_for_ever_has_no_theory() -> None:
    with pytest.raises(queueing.TheoryError, match="has to be below 1"):
        queueing.md1_mean_wait(50, 0.02)


# -- what can never be otherwise ----------------------------------------------------------------

durations = st.one_of(
    st.floats(0.0001, 0.05).map(Constant),
    st.floats(0.0001, 0.05).map(Exponential),
    st.lists(st.floats(0.0, 0.05), min_size=1, max_size=5).map(Measured),
)


def work(name: str) -> st.SearchStrategy[Work]:
    return st.builds(
        Work,
        st.just(name),
        st.floats(1, 200),
        durations,
        poisson=st.booleans(),
        cpu=st.sampled_from([0.0, 0.3, 1.0]),
        holds=st.booleans(),
    )


pools = st.builds(
    Pool,
    st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple),
    st.sampled_from(sorted(BALANCERS)),
    st.integers(1, 3),
)


@settings(deadline=None, max_examples=40)
@given(work("fast"), work("slow"), pools, pools, st.sampled_from([None, 0.5, 2.0]), st.booleans())
def test_all_that_comes_leaves_and_littles_law_holds(
    fast: Work, slow: Work, one: Pool, other: Pool, cores: float | None, apart: bool
) -> None:
    routes = {"fast": "one", "slow": "other" if apart else "one"}
    model = SystemModel([fast, slow], {"one": one, "other": other}, routes, cores)
    found = simulate(model, "any", warmup=0.2, duration=1.0, patience=1e6)
    for name, of in found.items():
        assert of.answered == of.sent >= of.arrived == len(of.responses) >= of.within
        assert of.area == pytest.approx(of.time_in_system, rel=1e-6, abs=1e-9), name
        assert all(
            response >= wait - 1e-9 >= -1e-9
            for response, wait in zip(of.responses, of.waits, strict=True)
        )


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.sampled_from(sorted(BALANCERS)))
def test_a_balancer_picks_processes_that_there_are(weights: list[int], balance: str) -> None:
    balancer = BALANCERS[balance](weights, random.Random(1))
    for _ in range(30):
        place = balancer.pick()
        assert 0 <= place < len(weights)
        balancer.in_flight[place] += 1


def picks(balance: str, weights: Sequence[int], number: int) -> list[int]:
    balancer = BALANCERS[balance](weights, random.Random(1))
    return [balancer.pick() for _ in range(number)]


def test_round_robin_is_smooth_as_nginx_has_it() -> None:
    assert picks("round_robin", [5, 1, 1], 7) == [0, 0, 1, 0, 2, 0, 0]
    assert picks("round_robin", [1, 1, 1], 6) == [0, 1, 2, 0, 1, 2]


def test_least_conn_prefers_who_has_less_for_its_weight() -> None:
    balancer = BALANCERS["least_conn"]([2, 1], random.Random(1))
    balancer.in_flight[:] = [2, 0]
    assert balancer.pick() == 1
    balancer.in_flight[:] = [1, 1]
    assert balancer.pick() == 0


def test_a_blocked_process_makes_others_wait_and_an_async_one_does_not() -> None:
    """What blocks holds its process for 50 ms, what awaits for none of them."""

    def worst(holds: bool) -> float:
        slow = Work("slow", 2, Constant(0.05), cpu=0, holds=holds)
        fast = Work("fast", 500, Constant(0.0001))
        model = SystemModel([fast, slow], {"one": Pool((1,))}, {"fast": "one", "slow": "one"})
        return max(simulate(model, 1, warmup=0, duration=5)["fast"].responses)

    assert worst(holds=True) > 0.045
    assert worst(holds=False) < 0.001


def test_more_processes_than_cores_slow_each_other() -> None:
    """Two that compute all the time on one core: each takes twice as long, less its start."""
    work = Work("work", 2, Constant(10.0))
    model = SystemModel([work], {"pool": Pool((1, 1), "least_conn")}, {"work": "pool"}, cores=1)
    found = simulate(model, 1, warmup=0, duration=1, patience=100)["work"]
    assert found.responses == pytest.approx([19.5, 19.5])


def test_what_is_never_answered_is_not_there() -> None:
    work = Work("work", 100, Constant(1.0))
    model = SystemModel([work], {"pool": Pool((1,))}, {"work": "pool"})
    found = simulate(model, 1, warmup=0, duration=1, patience=3)["work"]
    assert (found.arrived, len(found.responses)) == (100, 3)


def test_the_same_seed_gives_the_same_answer() -> None:
    def answer(seed: int) -> list[float]:
        model = SystemModel(
            [Work("work", 90, Exponential(0.01), poisson=True)], {"p": Pool((1, 1))}, {"work": "p"}
        )
        return simulate(model, seed, warmup=0, duration=2)["work"].responses

    assert answer(1) == answer(1) != answer(2)


@pytest.mark.parametrize(
    ("text", "mean"), [("20", 0.02), ("exp:20", 0.02), ("10, 30", 0.02), ("0.5", 0.0005)]
)
def test_durations_are_read(text: str, mean: float) -> None:
    assert parse(text).mean == pytest.approx(mean)


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "exp:", "exp:1,2", "gauss:3", "1,,2", "nan", "inf"]
)
def test_a_wrong_duration_is_told_in_a_line(text: str) -> None:
    with pytest.raises(DurationError, match="write milliseconds as 20, exp:20 or 12,15,40"):
        parse(text)
