"""The rolling window holds what was recorded, whichever process reported it, in any order."""

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
            {NOW + second: result for (w, second), result in taken.items() if w == worker},
            {},
            {},
            NOW + 11,
            {NOW + second: [("a/async/fast", "fast", 2)] for second in range(12)},
        )
        for worker in range(3)
    }


def watching() -> RollingWindow:
    return RollingWindow(lambda: NOW)


def filled_window(samples: Samples) -> RollingWindow:
    window, workers = watching(), reports(samples)
    window.begin(map(str, workers))
    for worker, report in workers.items():
        assert window.last_closed < NOW
        assert not window.seconds()
        window.take(report, str(worker))
    return window


def together(times: Iterable[Latencies]) -> Latencies:
    total = Latencies.empty()
    for latencies in times:
        total.merge(latencies)
    return total


@given(SAMPLES)
def test_pools_and_stores_hold_what_was_recorded(
    samples: Samples,
) -> None:
    window = filled_window(samples)
    assert window.seconds() == [NOW + second for second in range(12)]
    for kind, place, names in (("pools", 2, POOLS), ("stores", 0, STORES)):
        for name in names:
            own = [sample for sample in samples if sample[1][place] == name]
            line = window.line(kind, name, window.seconds())
            for second, point in enumerate(line):
                in_second = [sample for sample in own if sample[0] == second]
                assert (point.rate if point else 0) == sum(o[1].outcome == "ok" for o in in_second)
                assert (point.failures if point else 0) == sum(
                    o[1].outcome != "ok" for o in in_second
                )
            last_window = window.window(kind).get(name)
            last = [sample for sample in own if sample[0] >= 12 - WINDOW_S]
            successes = [sample for sample in last if sample[1].outcome == "ok"]
            assert (last_window.rate if last_window else 0) == round(len(successes) / WINDOW_S, 1)
            assert (last_window.failures if last_window else 0) == len(last) - len(successes)
    assert window.window("pools")["fast"].in_flight == 6


@given(SAMPLES)
def test_an_interval_is_what_lies_in_it_packed_or_not(
    samples: Samples,
) -> None:
    alone = Recorder()
    window = filled_window(samples)
    for second, key, us, _ in samples:
        if 3 <= second < 8 and key.pool == "slow" and key.outcome == "ok":
            alone.record(*key, us, us + 1)
    total = together(alone.take().values())
    expected = Latencies(coarse(total.service), coarse(total.response))
    result = window.between(NOW + 2.5, NOW + 8.5, "slow")
    assert together(result.values()) == expected
    assert set(result) <= {NOW + second for second in range(3, 8)}


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
    result = latest_quantiles(histograms)
    for name, q in QUANTILES.items():
        for length in range(1, len(histograms) + 1):
            total = merge(histograms[:length])
            if total.enough(q):
                assert result[name] == total.quantile(q) / 1000
                break
        else:
            assert result[name] is None


def report_of_one(second: int) -> Report:
    recorded: Histograms = {KEYS[0]: Latencies(Histogram({100: 1}), Histogram())}
    return Report({second: list(recorded.items())}, {}, {}, second)


def test_what_is_told_late_is_counted_in_the_next_second_and_what_is_old_forgotten() -> None:
    window = watching()
    window.take(report_of_one(NOW), "here")
    window.take(report_of_one(NOW - 100), "here")
    window.take(report_of_one(NOW + 1), "here")
    assert [point and point.rate for point in window.line("pools", "fast", window.seconds())] == [
        1,
        2,
    ]
    window.take(report_of_one(NOW + KEPT_S), "here")
    assert window.seconds() == [NOW + 1, NOW + KEPT_S]


def test_one_that_falls_silent_is_waited_for_no_longer() -> None:
    window = watching()
    window.take(report_of_one(NOW - 60), "gone")
    window.take(report_of_one(NOW), "here")
    assert window.last_closed == NOW


def test_a_kind_of_request_is_told_whichever_pool_served_it() -> None:
    at, recorder = NOW - 5, Recorder()
    for operation, pool in (("read", "fast"), ("sleep", "fast"), ("sleep", "slow")):
        recorder.record(STORES[0], operation, pool, "ok", 100, 200)
    window = watching()
    window.begin(["one"])
    window.take(Report({at: list(recorder.take().items())}, {}, {}, at), "one")

    def number(kind: str, name: str) -> int:
        return window.between(at, at + 1, name, kind)[at].service.count

    assert window.names("kinds", [at]) == ["records", "slow work"]
    assert (number("kinds", "records"), number("kinds", "slow work")) == (1, 2)
    assert (number("pools", "fast"), number("pools", "slow")) == (2, 1)
    routed = window.names("routed", [at])
    assert [(name, number("routed", name)) for name in routed] == [
        ("records in fast", 1),
        ("slow work in fast", 1),
        ("slow work in slow", 1),
    ]
