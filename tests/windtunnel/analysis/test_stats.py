"""Intervals cover, corrections are monotone, and a ranking does not depend on the order given."""

import math
import random
from collections import Counter
from itertools import pairwise

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.windtunnel.generate import histogram
from windtunnel.analysis.estimators import Estimator, GeometricMean, Quantile, Ratio
from windtunnel.analysis.stats import (
    Bootstrap,
    holm,
    log_ratio_to,
    p_value_equal,
    paired_log_ratio,
    rank,
    t_quantile,
    t_two_sided,
    unpaired_log_ratio,
)
from windtunnel.recording.histogram import Histogram, decode, merge

samples = st.lists(st.integers(min_value=1, max_value=60_000_000), min_size=1, max_size=300)
p_values = st.lists(st.floats(min_value=0, max_value=1), max_size=30)


def of(values: list[int]) -> Histogram:
    return Histogram(dict(Counter(values)))


def rounds(
    draw: random.Random, median: float, count: int = 6, drift: float = 0.05, size: int = 400
) -> dict[int, Histogram]:
    shifts = [math.log(median) + draw.gauss(0, drift) for _ in range(count)]
    return {
        number: of([int(draw.lognormvariate(shift, 0.4)) + 1 for _ in range(size)])
        for number, shift in enumerate(shifts)
    }


def store(seed: int, median: float, count: int = 6, drift: float = 0.05) -> Bootstrap:
    return Bootstrap(Quantile(0.5, rounds(random.Random(seed), median, count, drift)))


@given(samples, samples)
def test_merging_is_the_histogram_of_the_concatenation(first: list[int], second: list[int]) -> None:
    assert merge([decode(histogram(first)), decode(histogram(second))]) == decode(
        histogram(first + second)
    )


@given(samples, st.sampled_from([0.5, 0.9, 0.99, 0.999]))
def test_a_quantile_is_the_nearest_rank_at_the_bucket_s_upper_end(
    values: list[int], q: float
) -> None:
    ruler = HdrHistogram(1, 60_000_000, 3)
    exact = sorted(values)[math.ceil(round(len(values) * q, 9)) - 1]
    quantile = decode(histogram(values)).quantile(q)
    assert quantile == ruler.get_highest_equivalent_value(exact)
    assert exact <= quantile <= exact * 1.001 + 1


@given(samples)
def test_the_mean_is_right_to_the_histogram_s_resolution(values: list[int]) -> None:
    mean = decode(histogram(values)).mean
    assert sum(values) / len(values) <= mean <= sum(values) / len(values) * 1.001 + 1


def test_an_empty_histogram_has_no_samples() -> None:
    assert decode(histogram([])).count == 0


@pytest.mark.parametrize("text", ["", "no", "AAAA", "HISTFAAAABh4nJNpmSzMwMDAxQABzFCaEUqz"])
def test_what_is_no_histogram_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="not an HdrHistogram"):
        decode(text)


@given(st.lists(samples, min_size=2, max_size=7), st.data())
def test_a_weighted_quantile_is_that_of_the_repeated_rounds(
    values: list[list[int]], data: st.DataObject
) -> None:
    picks = data.draw(
        st.lists(st.integers(0, len(values) - 1), min_size=len(values), max_size=len(values))
    )
    weights = [picks.count(number) for number in range(len(values))]
    parts = dict(enumerate(map(of, values)))
    expected = merge(parts[pick] for pick in picks).quantile(0.99)
    assert Quantile(0.99, parts).value(weights) == expected


def test_a_ratio_is_of_sums_and_a_geometric_mean_of_parts() -> None:
    ratio = Ratio({1: (10.0, 2.0), 2: (30.0, 2.0)})
    assert ratio.value([1, 1]) == 10
    assert ratio.value([2, 0]) == 5
    other = Ratio({1: (40.0, 1.0), 2: (40.0, 1.0), 3: (7.0, 1.0)})
    mean = GeometricMean((ratio, other))
    assert mean.rounds == (1, 2)
    assert mean.value([1, 1]) == pytest.approx(20)


def test_the_interval_covers_as_often_as_it_says() -> None:
    figures = [store(seed, 1000.0).interval_estimate for seed in range(300)]
    covered = sum(
        figure.low <= 1000 <= figure.high for figure in figures if figure.low and figure.high
    )
    assert 0.92 * 300 <= covered <= 0.98 * 300


def test_equal_stores_are_told_apart_about_as_rarely_as_it_says() -> None:
    wrong = sum(
        p_value_equal(store(seed, 900.0), store(seed + 999, 900.0)) < 0.05 for seed in range(300)
    )
    assert wrong <= 0.08 * 300


def test_pairing_cancels_what_hits_all_stores_in_a_round() -> None:
    draw = random.Random(5)
    drift = [draw.gauss(0, 0.5) for _ in range(6)]
    stores = []
    for factor in (1.0, 1.2):
        by_round = {
            number: of([int(draw.lognormvariate(7 + shift, 0.3) * factor) for _ in range(2000)])
            for number, shift in enumerate(drift)
        }
        stores.append(Bootstrap(Quantile(0.5, by_round)))
    low, high = stores[0].interval_estimate.low, stores[0].interval_estimate.high
    assert low is not None
    assert high is not None
    assert low < stores[1].estimate < high
    assert p_value_equal(*stores) < 0.01


@pytest.mark.parametrize("count", [1, 5])
def test_below_six_rounds_there_is_no_interval_and_no_place(count: int) -> None:
    few, enough = store(1, 100.0, count), store(2, 5000.0)
    assert few.interval_estimate.low is None
    assert math.isnan(p_value_equal(few, enough))
    ranks = rank({"few": few, "enough": enough}, higher_is_better=False)
    assert {name: standing.place for name, standing in ranks.items()} == {"few": None, "enough": 1}


def test_nothing_at_all_is_surely_less_than_something() -> None:
    def done(answers: float) -> Bootstrap:
        return Bootstrap(Ratio(dict.fromkeys(range(6), (answers, 10.0))))

    for measure in (paired_log_ratio, unpaired_log_ratio):
        spread = measure(done(0), done(150))
        assert spread is not None
        assert spread.log_ratio < 0
        assert spread.p_value < 1e-6
        alike = measure(done(0), done(0))
        assert alike is not None
        assert alike.p_value == 1
    least = log_ratio_to(done(0), 12)
    assert least is not None
    assert least.p_value < 1e-6


def test_six_rounds_each_but_five_in_common_cannot_be_compared() -> None:
    one = Bootstrap(Ratio({number: (100.0 + number, 1.0) for number in range(6)}))
    other = Bootstrap(Ratio({number: (200.0 + number, 1.0) for number in range(1, 7)}))
    ranks = rank({"one": one, "other": other}, higher_is_better=False)
    assert ranks["one"].place == 1
    assert ranks["other"].place is None


def test_an_estimator_without_rounds_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        Bootstrap(Ratio({}))


def test_ranks_are_shared_by_ties_and_skip_them_after() -> None:
    medians = {"a": 1000.0, "b": 1005.0, "c": 3000.0, "d": 3010.0, "e": 9000.0}
    stores = {name: store(seed, median) for seed, (name, median) in enumerate(medians.items())}
    ranks = rank(stores, higher_is_better=False)
    places = {name: figure.place for name, figure in ranks.items()}
    assert places == {"a": 1, "b": 1, "c": 3, "d": 3, "e": 5}
    assert ranks["e"].ratio == pytest.approx(9, rel=0.2)
    best_first = list(rank(stores, higher_is_better=True))
    assert best_first[0] == "e"


@settings(max_examples=20)
@given(st.permutations(list(range(7))))
def test_a_ranking_does_not_depend_on_the_order_given(order: list[int]) -> None:
    def made(names: list[int]) -> dict[str, Bootstrap]:
        return {f"s{seed}": store(seed, 1000 + 150.0 * seed) for seed in names}

    given_order = rank(made(order), higher_is_better=False)
    assert list(given_order.items()) == list(
        rank(made(list(range(7))), higher_is_better=False).items()
    )


@given(p_values)
def test_holm_is_monotone_and_never_below_the_given(values: list[float]) -> None:
    corrected = holm(values)
    assert all(value <= adjusted <= 1 for value, adjusted in zip(values, corrected, strict=True))
    ordered = [adjusted for _, adjusted in sorted(zip(values, corrected, strict=True))]
    assert all(one <= other for one, other in pairwise(ordered))


def test_holm_agrees_with_a_worked_example() -> None:
    # Wikipedia, "Holm-Bonferroni method": 0.01, 0.04, 0.03, 0.005 times 3, 1, 2, 4, made monotone
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize(
    ("freedom", "critical"), [(1, 12.7062), (2, 4.3027), (5, 2.5706), (10, 2.2281), (29, 2.0452)]
)
def test_student_s_t_agrees_with_the_printed_tables(freedom: int, critical: float) -> None:
    assert t_quantile(freedom) == pytest.approx(critical, abs=1e-4)
    assert t_two_sided(critical, freedom) == pytest.approx(0.05, abs=1e-5)


def test_an_estimate_that_never_varies_keeps_the_histogram_s_own_doubt() -> None:
    constant: Estimator = Quantile(0.5, {number: of([1000] * 50) for number in range(6)})
    figure = Bootstrap(constant).interval_estimate
    assert figure.low is not None
    assert 997 < figure.low < 1000
