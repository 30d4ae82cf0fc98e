"""From the files of a run to what a person reads: who is ranked, who is not, and why."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from tests.windtunnel.generate import Made, cells, info, write
from windtunnel.analysis import wording
from windtunnel.analysis.analyse import analyse
from windtunnel.analysis.keys import ALONE
from windtunnel.analysis.summary import OVERALL, Summary, Table, TableRow
from windtunnel.recording import results
from windtunnel.recording.histogram import decode
from windtunnel.recording.results import Cell, Ledger, ResultsError, Run
from windtunnel.reports import html, terminal
from windtunnel.reports.report import report

PAIR = ("redis/async/fast", "sqlite/async/fast")
FAST = {"redis/async/fast": 400.0, "sqlite/async/fast": 800.0}
TIED = {"redis/async/fast": 400.0, "sqlite/async/fast": 400.0}


def summary_of(made: Made) -> Summary:
    return analyse(run_of(made)).summary


def run_of(made: Made) -> Run:
    return Run(path=Path("made"), info=info(made), cells=cells(made), damaged=[])


def table_of(summary: Summary, subject: str, durability: str = "fast") -> Table:
    matching = [t for t in summary.tables if (t.subject, t.durability) == (subject, durability)]
    assert len(matching) == 1
    return matching[0]


def row_of(table: Table, store: str) -> TableRow:
    return next(row for row in table.rows if row.store == store)


def places(table: Table, metric: str) -> dict[str, int | None]:
    return {row.store: row.scores[metric].place for row in table.rows if row.scores}


def shown(summary: Summary, width: int = 200) -> str:
    console = Console(width=width, highlight=False, force_terminal=False)
    with console.capture() as captured:
        terminal.show(summary, console)
    return captured.get()


def test_the_faster_store_comes_first_in_words_and_in_the_table() -> None:
    summary = summary_of(Made(stores=PAIR, base_us=FAST))
    read = table_of(summary, "read")
    assert places(read, "p50") == {"redis/async/fast": 1, "sqlite/async/fast": 2}
    assert row_of(read, "sqlite/async/fast").scores["p50"].ratio == pytest.approx(2, rel=0.1)
    assert read.answer.startswith("Fastest for read at fast durability: redis/async/fast, p50 0.4")
    assert "next sqlite/async/fast" in read.answer
    assert read.load.kind == "closed, 8 users: service time"


def test_stores_that_cannot_be_told_apart_share_a_place() -> None:
    read = table_of(summary_of(Made(stores=PAIR, base_us=TIED, drift=0.1)), "read")
    assert set(places(read, "p50").values()) == {1}
    assert "tied with" in read.answer


def test_the_estimate_is_the_quantile_of_all_rounds_together() -> None:
    made = Made(stores=PAIR[:1])
    score = row_of(table_of(summary_of(made), "read"), PAIR[0]).scores["p50"]
    values: list[int] = []
    for cell in cells(made):
        read = next(result for result in cell.operations if result.operation == "read")
        assert read.service_us is not None
        histogram = decode(read.service_us.histogram or "")
        for value, count in sorted(histogram.counts.items()):
            values += [value] * count
    assert score.estimate == sorted(values)[-(-len(values) // 2) - 1]


def test_durabilities_are_never_ranked_together() -> None:
    stores = ("redis/async/fast", "redis/async/safe", "redis/async/volatile")
    for table in summary_of(Made(stores=stores)).tables:
        assert [row.store.rsplit("/", 1)[1] for row in table.rows] == [table.durability]


def test_the_memory_store_is_shown_everywhere_and_ranked_nowhere() -> None:
    stores = ("memory/async/volatile", *PAIR)
    summary = summary_of(Made(stores=stores, base_us={"memory/async/volatile": 10.0}))
    for table in summary.tables:
        reference = row_of(table, "memory/async/volatile")
        assert reference.reference
        assert all(score.place is None for score in reference.scores.values())
        assert "memory" not in table.answer
    assert {table.durability for table in summary.tables} == {"fast"}


def test_loads_are_never_ranked_together() -> None:
    summary = summary_of(Made(stores=PAIR, users=(1, 8)))
    titles = {table.title for table in summary.tables}
    assert {title.rsplit("; ", 1)[1] for title in titles} == {
        "closed, 1 user: service time",
        "closed, 8 users: service time",
    }


def test_cpu_and_throughput_of_an_operation_stand_only_where_it_ran_alone() -> None:
    summary = summary_of(Made(stores=PAIR, mixes=("balanced", "read"), base_us=FAST))
    mixed, alone = (
        next(t for t in summary.tables if t.subject == "read" and (t.load.mix == ALONE) == lonely)
        for lonely in (False, True)
    )
    assert mixed.metrics == ["p50", "p99", "p99.9"]
    assert alone.metrics == ["p50", "p99", "p99.9", "cpu", "throughput"]
    assert places(alone, "cpu") == {"redis/async/fast": 1, "sqlite/async/fast": 2}
    assert table_of(summary, OVERALL).metrics == ["throughput", "geomean_p50", "geomean_p99", "cpu"]


def test_a_quantile_is_printed_only_from_enough_samples_on() -> None:
    summary = summary_of(Made(stores=PAIR, samples=300, mixes=("read",)))
    row = row_of(table_of(summary, "read"), PAIR[0])
    assert row.samples == 1800
    assert row.scores["p99"].estimate is not None
    assert row.scores["p99.9"].estimate is None
    assert row.scores["p99.9"].note == "needs 10,000 samples"


def test_failures_void_the_quantiles_that_they_reach_and_the_place() -> None:
    made = Made(stores=PAIR, base_us=FAST, samples=4000, failing={"redis/async/fast": 0.02})
    summary = summary_of(made)
    row = row_of(table_of(summary, "read"), "redis/async/fast")
    assert row.scores["p50"].estimate is not None
    assert row.scores["p99"].note == "> deadline"
    assert row.unranked == "2 % of 14,400 failed (timeout 288)"
    assert places(table_of(summary, "read"), "p50")["redis/async/fast"] is None
    assert "only sqlite/async/fast can be ranked" in table_of(summary, "read").answer


def test_when_all_fail_nobody_is_ranked() -> None:
    summary = summary_of(Made(stores=PAIR, failing=dict.fromkeys(PAIR, 1.0)))
    assert all("no store can be ranked" in table.answer for table in summary.tables)
    assert "> deadline" in shown(summary)


def test_every_ratio_to_the_best_has_its_interval() -> None:
    analysis = analyse(run_of(Made(stores=PAIR, rounds=7, base_us=FAST)))
    read = table_of(analysis.summary, "read")
    best, other = (row_of(read, store).scores["p50"] for store in PAIR)
    assert (best.ratio, best.ratio_low, best.ratio_high) == (1, None, None)
    assert other.ratio_low
    assert other.ratio_high
    assert 1.5 < other.ratio_low < (other.ratio or 0) < other.ratio_high < 2.5
    value, interval = wording.ratio(other).split(" ", 1)
    assert f"next {PAIR[1]}, {value}x slower {interval}" in read.answer
    assert wording.ratio(other) in html.render(analysis)
    assert f" {wording.ratio(other)} " in shown(analysis.summary)
    assert "x best" in shown(analysis.summary)
    assert "x best" not in shown(analysis.summary, 50)
    assert "x best" not in shown(summary_of(Made(stores=PAIR[:1], rounds=7)))


def test_a_ratio_to_the_best_is_of_the_rounds_that_both_have() -> None:
    one, six = ({(PAIR[1], number): "steal" for number in range(1, last)} for last in (2, 7))
    rows = [
        row_of(table_of(summary_of(Made(stores=PAIR, rounds=7, void=void)), "read"), PAIR[1])
        for void in (one, six)
    ]
    assert rows[0].scores["p50"].ratio_low
    assert rows[1].scores["p50"].ratio
    assert rows[1].scores["p50"].ratio_low is None


def test_void_cells_are_left_out_and_listed_and_flagged_ones_kept() -> None:
    made = Made(
        stores=PAIR,
        rounds=7,
        void={("redis/async/fast", 3): "steal 22 %"},
        flags={("sqlite/async/fast", 2): ["the generator was the limit"]},
    )
    summary = summary_of(made)
    read = table_of(summary, "read")
    assert row_of(read, "redis/async/fast").rounds == 6
    assert row_of(read, "sqlite/async/fast").flags == {"the generator was the limit": 1}
    assert {(cell.store, cell.void) for cell in summary.doubtful} == {
        ("redis/async/fast", "steal 22 %"),
        ("sqlite/async/fast", None),
    }
    assert None not in places(read, "p50").values()


def test_a_store_whose_every_cell_is_void_is_named() -> None:
    void = {("redis/async/fast", number): "no answer" for number in range(1, 7)}
    summary = summary_of(Made(stores=PAIR, void=void))
    assert summary.unmeasured == {"redis/async/fast": "all 6 cells void: no answer"}


def test_a_store_spared_some_loads_is_not_skipped_and_void_cells_of_it_are_named() -> None:
    void = {("redis/async/fast", number): "no answer" for number in range(1, 7)}
    skipped = {"redis/async/fast": "3 processes: no", "mysql-asyncmy/async/fast": "down"}
    summary = summary_of(Made(stores=PAIR, void=void, skipped=skipped))
    assert summary.unmeasured == {"redis/async/fast": "all 6 cells void: no answer"}
    assert summary.left_out == {"mysql-asyncmy/async/fast": "down"}
    assert summary.spared == {"redis/async/fast": "3 processes: no"}
    assert "1 store skipped, see the reasons below." in summary.caveats
    assert "1 store spared some of the loads, see the reasons below." in summary.caveats


def test_one_user_is_one_user() -> None:
    summary = summary_of(Made(stores=PAIR, users=(1,), flags={("redis/async/fast", 1): ["odd"]}))
    assert "1 users" not in shown(summary)
    assert "1 user" in shown(summary)


def test_one_round_says_that_it_cannot_tell() -> None:
    summary = summary_of(Made(stores=PAIR, rounds=1))
    assert "1 clean round, 6 needed: no intervals, not ranked." in summary.caveats
    read = table_of(summary, "read")
    assert "inconclusive: 1 of 6 rounds; best measured: " in read.answer
    assert set(places(read, "p50").values()) == {None}


def test_what_an_engine_cannot_do_is_said() -> None:
    stores = ("memcached-aiomcache/async/volatile", "redis/async/volatile")
    summary = summary_of(Made(stores=stores, mixes=("read", "find")))
    row = row_of(table_of(summary, "find", "volatile"), stores[0])
    assert (row.unranked, row.scores) == ("n/a: it has no queries", {})
    overall = row_of(table_of(summary, OVERALL, "volatile"), stores[0])
    assert overall.scores["geomean_p50"].note == "no find"


def test_a_histogram_that_cannot_be_read_is_named_and_the_rest_reported() -> None:
    measured = cells(Made(stores=PAIR))
    broken = _plain(measured[0])
    broken["operations"][1]["service_us"]["histogram"] = "nonsense"
    damaged = msgspec.convert(broken, Cell)
    run = Run(
        path=Path("x"), info=info(Made(stores=PAIR)), cells=[damaged, *measured[1:]], damaged=[]
    )
    summary = analyse(run).summary
    assert any("redis/async/fast read" in caveat for caveat in summary.caveats)
    assert table_of(summary, "create").rows


def _plain(cell: Cell) -> dict[str, Any]:
    return msgspec.json.decode(msgspec.json.encode(cell), type=dict[str, Any])


def test_pools_are_reported_apart() -> None:
    plain = _plain(cells(Made(stores=PAIR[:1]))[0])
    for operation in plain["operations"]:
        operation["pool"] = "slow"
    cell = msgspec.convert(plain, Cell)
    run = Run(path=Path("x"), info=info(Made(stores=PAIR[:1])), cells=[cell], damaged=[])
    assert "read (slow pool)" in [table.subject for table in analyse(run).summary.tables]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_terminal_s_width_is_kept(width: int) -> None:
    made = Made(stores=(*PAIR, "postgres-psycopg2/blocking/fast"), skipped={"x/y/z": "no server"})
    text = shown(summary_of(made), width)
    assert max(map(len, text.splitlines())) <= width
    assert "Fastest for read" in text
    assert text.index("Fastest for") < text.index("p50, ms")
    assert "x/y/z: no server" in text


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ({}, "\N{EN DASH}"),
        ({"create": 1, "read": 1}, "all 1"),
        ({"create": 1, "read": 1, "edit": 2, "find": 0.5}, "edit 2, find 0.5, all others 1"),
    ],
)
def test_round_trips_are_said_shortly(counts: dict[str, float], text: str) -> None:
    assert wording.round_trips(Ledger(round_trips=counts)) == text


def test_the_same_run_gives_the_same_report() -> None:
    made = Made(stores=PAIR)
    assert html.render(analyse(run_of(made))) == html.render(analyse(run_of(made)))


def test_the_page_stands_alone_and_escapes_what_it_shows() -> None:
    made = Made(stores=PAIR, skipped={"evil/async/fast": "<script>alert(1)</script>"})
    page = html.render(analyse(run_of(made)))
    own = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", own)
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data
    view = json.loads(data.group(1))["views"][0]
    assert set(view["operations"]) == {"create", "read", "edit", "delete"}
    assert set(view["operations"]["read"]) == {"service"}
    assert set(view["stacked"][PAIR[0]]["mean service"]) == {"create", "edit", "delete"}


def test_report_prints_and_writes_the_page_beside_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "run", Made(stores=PAIR))
    report(folder)
    assert "Fastest for read" in capsys.readouterr().out
    assert {path.name for path in folder.iterdir()} == {"run.json", "cells.jsonl", "report.html"}


def test_json_is_the_summary_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "run", Made(stores=PAIR))
    report(folder, json=True)
    printed = msgspec.json.decode(capsys.readouterr().out, type=Summary)
    assert printed.tables == analyse(results.load(folder)).summary.tables
    assert not (folder / "report.html").exists()


def test_a_run_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "results" / "first", Made(stores=PAIR, rounds=1))
    report("first")
    assert "Windtunnel: crud, first" in capsys.readouterr().out
    with pytest.raises(ResultsError, match=r"no run 'second'.*the newest is first"):
        report("second")


def test_a_run_killed_before_its_first_cell_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "run", Made(stores=PAIR, rounds=0), finished=False)
    report(folder)
    text = capsys.readouterr().out
    assert "No cell was finished: there is nothing to rank." in text
    assert "The run did not finish" in text
    assert "nothing to rank" in (folder / "report.html").read_text()


def test_a_killed_run_reports_what_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "run", Made(stores=PAIR, rounds=7), finished=False)
    path = folder / "cells.jsonl"
    path.write_bytes(path.read_bytes()[:-50])
    report(folder)
    text = capsys.readouterr().out
    assert "cut off" in text
    assert "next sqlite/async/fast" in text or "tied with" in text


def test_a_run_that_says_nothing_of_its_machine_is_reported(tmp_path: Path) -> None:
    bare = results.RunInfo(scenario="crud", started=datetime.now(UTC), seed=1)
    results.create(tmp_path / "run", bare)
    report(tmp_path / "run")
    assert "Unknown CPU" in (tmp_path / "run" / "report.html").read_text()
