from __future__ import annotations

from itertools import islice, pairwise, takewhile
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.workload.arrivals import ARRIVALS, Arrivals, Share, arrivals, constant, poisson


@given(st.floats(0.1, 10_000), st.integers(1, 8))
def test_constant_shares_make_the_whole(rate: float, parts: int) -> None:
    total = list(islice(constant(rate), parts * 5))
    shares = [islice(constant(rate, Share(index, parts)), 5) for index in range(parts)]
    assert sorted(time for share in shares for time in share) == pytest.approx(total)


@pytest.mark.parametrize("kind", ARRIVALS)
@pytest.mark.parametrize("parts", [1, 3])
def test_the_rate_is_that_of_all_shares_together(kind: Arrivals, parts: int) -> None:
    sent = [
        sum(1 for _ in takewhile(lambda at: at < 100, arrivals(kind, 50, 1, Share(index, parts))))
        for index in range(parts)
    ]
    assert sum(sent) == pytest.approx(5_000, rel=0.05)
    assert max(sent) - min(sent) < 0.1 * 5_000


@pytest.mark.parametrize("kind", ARRIVALS)
def test_a_seed_gives_the_same_times(kind: Arrivals) -> None:
    assert list(islice(arrivals(kind, 50, 7), 50)) == list(islice(arrivals(kind, 50, 7), 50))


def test_poisson_shares_are_independent_and_their_gaps_exponential() -> None:
    times = list(islice(poisson(10, 1), 5_000))
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) > 0
    assert fmean(gaps) == pytest.approx(0.1, rel=0.05)
    assert stdev(gaps) == pytest.approx(0.1, rel=0.05)
    shares = {tuple(islice(poisson(10, 1, Share(index, 2)), 5)) for index in (0, 1)}
    assert len(shares) == 2


def test_each_round_and_each_stream_draws_arrivals_of_its_own() -> None:
    def drawn(seed: str, stream: str) -> tuple[float, ...]:
        return tuple(islice(arrivals("poisson", 50, seed, stream=stream), 20))

    assert drawn("1:1", "fast") == drawn("1:1", "fast")
    assert len({drawn(seed, stream) for seed in ("1:1", "1:2") for stream in ("fast", "slow")}) == 4
