"""Open load in a report: both latencies, what was never sent, bounds, and who stood by."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.windtunnel.generate import Made, bystander, cells, info, write
from tests.windtunnel.reports.test_report import (
    FAST,
    PAIR,
    places,
    row_of,
    run_of,
    shown,
    summary_of,
)
from windtunnel.analysis import wording
from windtunnel.analysis.analyse import analyse
from windtunnel.analysis.grouping import group_cells
from windtunnel.analysis.keys import OperationKey, StoreKey
from windtunnel.analysis.summary import OVERALL, Summary, Table
from windtunnel.recording import results
from windtunnel.recording.results import Cell, Run
from windtunnel.reports import html

OPEN = Made(stores=PAIR, users=(), rates=(500.0,), base_us=FAST, samples=2000)


def open_table(summary: Summary, subject: str = "read") -> Table:
    return next(t for t in summary.tables if t.subject == subject and t.load.open)


def test_both_latencies_stand_side_by_side_and_the_response_ranks() -> None:
    read = open_table(summary_of(OPEN))
    assert read.metrics == [
        *("response_p50", "service_p50", "response_p99", "service_p99"),
        *("response_p99.9", "service_p99.9"),
    ]
    assert places(read, "response_p50") == {"redis/async/fast": 1, "sqlite/async/fast": 2}
    for row in read.rows:
        response, service = (row.scores[f"{name}_p99"].estimate for name in ("response", "service"))
        assert response
        assert service
        assert response > 2 * service
    assert "response p50 0.4" in read.answer
    assert "by response p99: " in read.answer


def test_the_response_quantile_is_that_of_the_response_histogram() -> None:
    made = Made(stores=PAIR[:1], users=(), rates=(500.0,), rounds=6)
    (group,) = group_cells(run_of(made))
    read = group.stores[StoreKey(PAIR[0])].operations[OperationKey("read")]
    histogram = read.latencies["response"].merged
    score = row_of(open_table(summary_of(made)), PAIR[0]).scores["response_p50"]
    assert score.estimate == histogram.quantile(0.5)


def test_the_ranking_that_counts_comes_first_and_closed_load_is_labelled() -> None:
    summary = summary_of(Made(stores=PAIR, users=(8,), rates=(500.0, 100.0), base_us=FAST))
    kinds = list(dict.fromkeys(table.load.kind for table in summary.tables))
    assert kinds == [
        "open, 100 requests/s: response and service time",
        "open, 500 requests/s: response and service time",
        "closed, 8 users: service time",
    ]
    text = shown(summary)
    assert text.count("(the ranking that counts)") == 2
    assert "(closed load: a stall hides" in text


def test_skipped_requests_take_the_quantiles_that_they_reach_and_the_place() -> None:
    made = but(OPEN, skipping={"redis/async/fast": 0.02})
    summary = summary_of(made)
    row = row_of(open_table(summary), "redis/async/fast")
    assert row.skipped == 144
    assert row.scores["response_p50"].estimate is not None
    assert row.scores["response_p99"].note == row.scores["service_p99"].note == "> deadline"
    assert row.scores["response_p50"].place is None
    assert row.unranked == "1.96 % of 7,344 failed or were skipped (skipped 144)"
    overall = row_of(open_table(summary, OVERALL), "redis/async/fast")
    assert overall.skipped == 240
    assert overall.unranked
    assert "not ranked: redis/async/fast: 1.96 %" in shown(summary)


def test_failed_and_skipped_count_together() -> None:
    both = {"failing": {PAIR[0]: 0.006}, "skipping": {PAIR[0]: 0.006}}
    row = row_of(open_table(summary_of(but(OPEN, **both))), PAIR[0])
    assert row.scores["response_p99"].note == "> deadline"
    row = row_of(open_table(summary_of(but(OPEN, skipping={PAIR[0]: 0.006}))), PAIR[0])
    assert row.scores["response_p99"].estimate is not None


def test_requests_without_an_outcome_are_lost_too() -> None:
    made = [
        msgspec.structs.replace(cell, intended=(cell.intended or 0) + 100) for cell in cells(OPEN)
    ]
    summary = summary_from(made)
    assert {row.unanswered for row in summary.conduct} == {600}
    assert row_of(open_table(summary), PAIR[0]).unranked


def test_what_became_of_the_schedule_is_shown() -> None:
    summary = summary_of(but(OPEN, skipping={PAIR[0]: 0.01}))
    accounting = next(row for row in summary.conduct if row.store == PAIR[0])
    assert (accounting.intended, accounting.answered, accounting.skipped, accounting.late) == (
        12_120,
        12_000,
        120,
        240,
    )
    assert wording.accounting_cells(accounting)[:5] == ["12,120", "12,000", "0", "240", "120"]
    for text in (shown(summary), html.render(analyse(run_of(OPEN)))):
        assert "Schedule" in text
    assert summary_of(Made(stores=PAIR)).conduct == []


def test_figures_are_bounds_where_the_generator_was_the_limit() -> None:
    summary = summary_of(but(OPEN, limited=("sqlite/async/fast",)))
    scores = row_of(open_table(summary), "sqlite/async/fast").scores
    assert scores["response_p99"].bound == "at most"
    figure = wording.estimate_text("response_p99", scores["response_p99"])
    assert figure.startswith("\N{LESS-THAN OR EQUAL TO}")
    overall = row_of(open_table(summary, OVERALL), "sqlite/async/fast").scores
    assert overall["cpu"].bound is None
    assert row_of(open_table(summary), PAIR[0]).scores["response_p99"].bound is None
    assert any("the generator was the limit" in caveat for caveat in summary.caveats)


def test_the_bystander_stands_beside_each_store_with_its_rounds_merged() -> None:
    overall = open_table(summary_of(OPEN), OVERALL)
    assert "bystander_p99" in overall.metrics
    scores = [row.scores["bystander_p99"] for row in overall.rows]
    assert all(score.estimate and score.low and score.place for score in scores)
    assert overall.rows[0].scores["bystander_p99"].place == 1
    assert "bystander" in shown(summary_of(OPEN), 300)


def test_a_bystander_with_too_few_answers_says_how_many_seconds_or_rounds_it_takes() -> None:
    overall = open_table(summary_of(but(OPEN, rounds=2)), OVERALL)
    assert {row.scores["bystander_p99"].note for row in overall.rows} == {
        "needs 1,000 samples: measure cells of 4 s, or 3 rounds"
    }
    assert (
        open_table(summary_of(but(OPEN, rounds=3)), OVERALL)
        .rows[0]
        .scores["bystander_p99"]
        .estimate
    )


def test_a_bystander_that_got_no_answer_reads_beyond_the_deadline() -> None:
    made = [
        msgspec.structs.replace(
            cell, bystander=[msgspec.structs.replace(cell.bystander[0], failed=40)]
        )
        for cell in cells(OPEN)
    ]
    overall = open_table(summary_from(made), OVERALL)
    assert {row.scores["bystander_p99"].note for row in overall.rows} == {"> deadline"}


def test_the_bystander_of_a_process_loaded_straight_is_not_thinned_by_idle_ones() -> None:
    def p99(process: str | None) -> float | None:
        made = [msgspec.structs.replace(beside(cell), process=process) for cell in cells(OPEN)]
        row = row_of(open_table(summary_from(made), OVERALL), PAIR[0])
        return row.scores["bystander_p99"].estimate

    def beside(cell: Cell) -> Cell:
        idle = bystander(random.Random(cell.round), 10)
        others = [msgspec.structs.replace(idle, process=f"127.0.0.1:{10_002 + n}") for n in (0, 1)]
        return msgspec.structs.replace(cell, bystander=[*cell.bystander, *others])

    alone = row_of(open_table(summary_of(OPEN), OVERALL), PAIR[0]).scores["bystander_p99"].estimate
    assert p99("127.0.0.1:10001") == alone
    assert p99(None) != alone


def test_the_ledger_says_what_is_no_rival() -> None:
    ledgers = info(OPEN).stores
    flagged = {**ledgers, PAIR[0]: msgspec.structs.replace(ledgers[PAIR[0]], reference=True)}
    run = run_of(OPEN)
    run = msgspec.structs.replace(run, info=msgspec.structs.replace(run.info, stores=flagged))
    assert [row.reference for row in open_table(analyse(run).summary).rows] == [False, True]


def test_an_unfinished_cell_is_listed_and_counts_for_nothing(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", OPEN, finished=False)
    before = analyse(results.load(folder)).summary.tables
    line = msgspec.json.encode(cells(but(OPEN, seed=9))[0])
    (folder / results.PARTIAL_FILE).write_bytes(line)
    summary = analyse(results.load(folder)).summary
    assert summary.tables == before
    (cell,) = summary.doubtful
    assert cell.void == "incomplete cell: the run ended 3 s into it, after 2,000 answers"
    assert "incomplete cell" in shown(summary)


@pytest.mark.parametrize("width", [60, 120])
def test_the_terminal_s_width_is_kept_under_open_load(width: int) -> None:
    text = shown(summary_of(but(OPEN, users=(8,), skipping={PAIR[0]: 0.02})), width)
    assert max(map(len, text.splitlines())) <= width


def summary_from(made: list[Cell]) -> Summary:
    return analyse(Run(path=Path("made"), info=info(OPEN), cells=made, damaged=[])).summary


def but(made: Made, **changes: Any) -> Made:
    return Made(**{**vars(made), **changes})
