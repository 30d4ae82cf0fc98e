"""What workers report adds up to what one process would have recorded."""

from __future__ import annotations

import time
from pathlib import Path

import gevent
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from windtunnel.recording import series
from windtunnel.recording.histogram import Histogram
from windtunnel.recording.recorder import Histograms, Key, Latencies, Recorder, merge_into
from windtunnel.recording.results import Cell
from windtunnel.recording.run_folder import RunFolder
from windtunnel.runner import collector
from windtunnel.runner.collector import Collector, Report
from windtunnel.runner.run_writer import RunWriter
from windtunnel.runner.totals import DEPLETED
from windtunnel.workload.open_loop import ScheduleStats
from windtunnel.workload.user_pool import UserConfig, UserPool

KEYS = [Key("a/async/fast", op, "fast", outcome) for op in ("read", "edit") for outcome in "xy"]
SAMPLES = st.lists(
    st.tuples(st.sampled_from(KEYS), st.floats(1, 1e8), st.none() | st.floats(1, 1e8)), max_size=200
)


def user_pool() -> UserPool:
    return UserPool(UserConfig("http://127.0.0.1:9", "balanced", 1, 1), {"a/async/fast": []}, 1)


def reported(report: Report) -> Histograms:
    total: Histograms = {}
    for entries in report.seconds.values():
        merge_into(total, dict(entries))
    return total


@given(SAMPLES, st.integers(1, 4))
def test_four_processes_record_what_one_would(
    samples: list[tuple[Key, float, float | None]], processes: int
) -> None:
    one = Recorder()
    workers = [user_pool() for _ in range(processes)]
    collectors = [Collector(worker, dict) for worker in workers]
    for number, (key, service, response) in enumerate(samples):
        one.record(*key, service, response)
        workers[number % processes].recorder.record(*key, service, response)
    total: Histograms = {}
    for each in collectors:
        merge_into(total, reported(collector.decode(collector.encode(each.end()))))
    alone = one.take()
    assert total == alone
    for key, latencies in alone.items():
        assert total[key].service.as_dict() == latencies.service.as_dict()
        assert total[key].response.as_dict() == latencies.response.as_dict()


def test_what_is_fetched_is_told_once() -> None:
    worker = user_pool()
    sent = [{"a/async/fast": {"": ScheduleStats(3, 2, 1, Histogram({5: 1}))}}, {}]
    collected = Collector(worker, lambda: sent.pop(0))
    worker.recorder.record(*KEYS[0], 10)
    worker.retries["a/async/fast"] += 2
    gevent.sleep(1.1)
    first = collector.decode(collector.encode(collected.fetch()))
    assert reported(first) == {KEYS[0]: Latencies(Histogram({10: 1}), Histogram())}
    assert first.sent == {"a/async/fast": {"": ScheduleStats(3, 2, 1, Histogram({5: 1}))}}
    assert first.retried == {"a/async/fast": 2}
    assert reported(collected.end()) == {}


def test_a_loop_that_is_late_tells_of_the_second_that_ended() -> None:
    gevent.sleep(1.05 - time.time() % 1)
    worker, second = user_pool(), int(time.time())
    collected = Collector(worker, dict)
    gevent.sleep(0.01)
    worker.recorder.record(*KEYS[0], 10)
    time.sleep(max(0.0, second + 1.6 - time.time()))  # nobody else gets a turn
    gevent.sleep(0.01)
    told = collected.fetch().seconds
    collected.end()
    assert [number for number, entries in told.items() if entries] == [second]


def test_a_load_that_changes_is_flagged(tmp_path: Path) -> None:
    store = "a/async/fast"
    before = Cell(store=store, mix="read", rate=10.0, seconds=0.0, throughput_rps=0.0)
    templates = {store: before}
    folder = RunFolder(tmp_path)
    writer = RunWriter(folder, lambda: dict(templates))
    sent = {store: {"": ScheduleStats(4)}}
    latencies = Latencies(Histogram({10: 3}), Histogram({20: 3}))
    writer.take(Report({0: [(KEYS[0], latencies)]}, sent, {}))
    templates[store] = replace(before, rate=20.0)
    writer.stop()
    (cell,) = writer.cells()
    writer.write_rest()
    assert cell.rate == 20
    assert cell.intended == 4
    assert cell.flags == ["the load changed at second 0, from 10 requests/s"]
    lines = list(series.seconds(tmp_path, []))
    assert sum(entry.count for line in lines for entry in line.operations) == 3


def test_a_user_without_records_is_flagged(tmp_path: Path) -> None:
    template = Cell(store="a/async/fast", users=1, seconds=0.0, throughput_rps=0.0)
    writer = RunWriter(RunFolder(tmp_path), lambda: {"a/async/fast": template})
    writer.take(Report({}, {}, {}, depleted=True))
    writer.stop()
    assert [cell.flags for cell in writer.cells()] == [[DEPLETED]]


def test_no_cell_stays_unfinished_after_a_second_could_not_be_written(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_partial([Cell(store="a/async/fast", seconds=1.0, throughput_rps=0.0)])
    (tmp_path / series.SERIES_FILE).mkdir()
    folder.append_seconds([series.Second(second=0)])
    assert not folder.has_series
    folder.remove_partial()
    assert not list(tmp_path.glob("*partial*"))
