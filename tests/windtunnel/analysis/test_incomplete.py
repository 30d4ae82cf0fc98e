"""What a killed run leaves of the cell that was under way: read, shown, and never ranked."""

import msgspec

from tests.windtunnel.generate import Made
from tests.windtunnel.reports.test_report import run_of, shown
from windtunnel.analysis.analyse import analyse
from windtunnel.analysis.caveats import incomplete_operations
from windtunnel.recording.results import Cell, LatencySummary, OperationResult, Run
from windtunnel.reports import html

STORE = "redis/async/fast"


def times(p50: float, p99: float | None) -> LatencySummary:
    return LatencySummary(p50=p50, p99=p99, max=9_000.0)


def cell() -> Cell:
    read = OperationResult(
        operation="read", count=1_500, service_us=times(900, 4_200), response_us=times(950, 7_310)
    )
    edit = OperationResult(
        operation="edit", count=200, service_us=times(1_250, None), response_us=times(1_270, None)
    )
    late = OperationResult(operation="edit", pool="none", outcome="timeout", count=3)
    return Cell(
        store=STORE, mix="balanced", round=1, rate=340.0, seconds=5.0, throughput_rps=340.0,
        operations=[read, edit, late], flags=["incomplete: not finished when this was written"],
    )  # fmt: skip


def killed() -> Run:
    return msgspec.structs.replace(run_of(Made()), cells=[], partial=[cell()])


def test_each_operation_has_its_count_its_rate_and_its_quantiles() -> None:
    read, edit = incomplete_operations(killed())
    assert (read.operation, read.count, read.failed, read.throughput_rps) == ("read", 1_500, 0, 300)
    assert read.response_us == {"p50": 950, "p99": 7_310}
    assert read.service_us == {"p50": 900, "p99": 4_200}
    assert (edit.operation, edit.count, edit.failed) == ("edit", 200, 3)
    assert edit.response_us["p99"] is None


def test_nothing_but_failures_has_no_times() -> None:
    bad = OperationResult(operation="read", outcome="timeout", count=7, service_us=times(1, 2))
    run = msgspec.structs.replace(
        killed(), partial=[msgspec.structs.replace(cell(), operations=[bad])]
    )
    [row] = incomplete_operations(run)
    assert (row.count, row.failed, row.service_us, row.response_us) == (0, 7, {}, {})


def test_a_report_on_a_killed_run_shows_them_unranked() -> None:
    analysis = analyse(killed())
    assert analysis.summary.tables == []
    text, page = shown(analysis.summary), html.render(analysis)
    assert "Incomplete cells" in text
    assert "not ranked" in text
    line = next(line.split() for line in text.splitlines() if " read " in line)
    assert line == [
        STORE, "balanced,", "340/s", "1", "read", "1,500", "0", "300", "0.950", "7.31", "0.900",
        "4.20",
    ]  # fmt: skip
    assert '<section id="incomplete">' in page
    assert "7.31" in page
    finished = analyse(run_of(Made()))
    assert "Incomplete cells" not in shown(finished.summary)
    assert "Incomplete cells" not in html.render(finished)
