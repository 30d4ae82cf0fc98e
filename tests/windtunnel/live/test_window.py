"""What is watched of a test is what was recorded: whoever told it, in whatever order."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from windtunnel.live.window import KEPT_S, WINDOW_S, RollingWindow
from windtunnel.live.window_counts import QUANTILES, coarse, latest_quantiles
from windtunnel.recording.histogram import MASKS, Histogram, merge
from windtunnel.recording.recorder import Histograms, Key, Latencies, Recorder
from windtunnel.runner.collector import Report

NOW = 1_700_000_000
"""The second that it is in these tests."""

STORES, POOLS, OUTCOMES = ("a/async/fast", "b/async/fast"), ("fast", "slow"), ("ok", "timeout")
KEYS = [Key(s, "read", pool, outcome) for s in STORES for pool in POOLS for outcome in OUTCOMES]
Samples = list[tuple[int, Key, float, int]]
SAMPLES = st.lists(
    st.tuples(st.integers(0, 11), st.sampled_from(KEYS), st.floats(1, 1e7), st.integers(0, 2)),
    max_size=150,
)
"""A second, what was recorded in it, how long it took, and by which worker."""


def reports(samples: Samples) -> dict[int, Report]:
    recorders: dict[tuple[int, int], Recorder] = {}
    for second, key, us, worker in samples:
        recorder = recorders.setdefault((worker, second), Recorder())
        recorder.record(*key, us, us + 1)
    taken = {key: list(recorder.take().items()) for key, recorder in recorders.items()}
    return {
        worker: Report(
            {NOW + second: found for (w, second), found in taken.items() if w == worker},
            {},
            {},
            NOW + 11,
            {NOW + second: [("a/async/fast", "fast", 2)] for second in range(12)},
        )
        for worker in range(3)
    }


def watching() -> RollingWindow:
    return RollingWindow(lambda: NOW)


def told(samples: Samples) -> RollingWindow:
    recent, workers = watching(), reports(samples)
    recent.begin(map(str, workers))
    for worker, report in workers.items():
        assert recent.last_closed < NOW
        assert not recent.seconds()
        recent.take(report, str(worker))
    return recent


def together(times: Iterable[Latencies]) -> Latencies:
    total = Latencies.empty()
    for each in times:
        total.merge(each)
    return total


@given(SAMPLES)
def test_pools_and_stores_hold_what_was_recorded(
    samples: Samples,
) -> None:
    recent = told(samples)
    assert recent.seconds() == [NOW + second for second in range(12)]
    for kind, place, names in (("pools", 2, POOLS), ("stores", 0, STORES)):
        for name in names:
            mine = [one for one in samples if one[1][place] == name]
            line = recent.line(kind, name, recent.seconds())
            for second, point in enumerate(line):
                here = [one for one in mine if one[0] == second]
                assert (point.rate if point else 0) == sum(o[1].outcome == "ok" for o in here)
                assert (point.failures if point else 0) == sum(o[1].outcome != "ok" for o in here)
            window = recent.window(kind).get(name)
            last = [one for one in mine if one[0] >= 12 - WINDOW_S]
            right = [one for one in last if one[1].outcome == "ok"]
            assert (window.rate if window else 0) == round(len(right) / WINDOW_S, 1)
            assert (window.failures if window else 0) == len(last) - len(right)
    assert recent.window("pools")["fast"].in_flight == 6


@given(SAMPLES)
def test_an_interval_is_what_lies_in_it_packed_or_not(
    samples: Samples,
) -> None:
    alone = Recorder()
    recent = told(samples)
    for second, key, us, _ in samples:
        if 3 <= second < 8 and key.pool == "slow" and key.outcome == "ok":
            alone.record(*key, us, us + 1)
    whole = together(alone.take().values())
    wanted = Latencies(coarse(whole.service), coarse(whole.response))
    found = recent.between(NOW + 2.5, NOW + 8.5, "slow")
    assert together(found.values()) == wanted
    assert set(found) <= {NOW + second for second in range(3, 8)}


def test_wide_buckets_are_less_than_a_hundredth_wide() -> None:
    ends = sorted({value | MASKS[value.bit_length()] for value in range(1 << 14)})
    (wide,) = zip(*(coarse(Histogram({end: 1})).counts for end in ends), strict=True)
    for end, wide_end in zip(ends, wide, strict=True):
        assert end <= wide_end <= max(end * 1.008, end)
        assert list(coarse(Histogram({wide_end: 1})).counts) == [wide_end]
    assert list(wide) == sorted(wide)


COUNTS = st.dictionaries(st.integers(1, 20_000), st.integers(1, 2_000), max_size=20)


@given(st.lists(COUNTS, max_size=12))
def test_a_point_is_of_the_shortest_span_that_decides_it(back: list[dict[int, int]]) -> None:
    histograms = [Histogram(counts) for counts in back]
    found = latest_quantiles(histograms)
    for name, q in QUANTILES.items():
        for length in range(1, len(histograms) + 1):
            total = merge(histograms[:length])
            if total.enough(q):
                assert found[name] == total.quantile(q) / 1000
                break
        else:
            assert found[name] is None


def one(second: int) -> Report:
    recorded: Histograms = {KEYS[0]: Latencies(Histogram({100: 1}), Histogram())}
    return Report({second: list(recorded.items())}, {}, {}, second)


def test_what_is_told_late_is_counted_in_the_next_second_and_what_is_old_forgotten() -> None:
    recent = watching()
    recent.take(one(NOW), "here")
    recent.take(one(NOW - 100), "here")
    recent.take(one(NOW + 1), "here")
    assert [point and point.rate for point in recent.line("pools", "fast", recent.seconds())] == [
        1,
        2,
    ]
    recent.take(one(NOW + KEPT_S), "here")
    assert recent.seconds() == [NOW + 1, NOW + KEPT_S]


def test_one_that_falls_silent_is_waited_for_no_longer() -> None:
    recent = watching()
    recent.take(one(NOW - 60), "gone")
    recent.take(one(NOW), "here")
    assert recent.last_closed == NOW


def test_a_kind_of_request_is_told_whichever_pool_served_it() -> None:
    at, recorder = NOW - 5, Recorder()
    for operation, pool in (("read", "fast"), ("sleep", "fast"), ("sleep", "slow")):
        recorder.record(STORES[0], operation, pool, "ok", 100, 200)
    recent = watching()
    recent.begin(["one"])
    recent.take(Report({at: list(recorder.take().items())}, {}, {}, at), "one")

    def number(kind: str, name: str) -> int:
        return recent.between(at, at + 1, name, kind)[at].service.count

    assert recent.names("kinds", [at]) == ["records", "slow work"]
    assert (number("kinds", "records"), number("kinds", "slow work")) == (1, 2)
    assert (number("pools", "fast"), number("pools", "slow")) == (2, 1)
    routed = recent.names("routed", [at])
    assert [(name, number("routed", name)) for name in routed] == [
        ("records in fast", 1),
        ("slow work in fast", 1),
        ("slow work in slow", 1),
    ]
