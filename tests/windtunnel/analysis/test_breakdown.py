"""The parts of typical and of slow requests: chosen by the whole latency, averaged, adding up."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.windtunnel.generate import Made, cells, write
from tests.windtunnel.reports.test_open_report import OPEN
from tests.windtunnel.reports.test_report import run_of, shown
from windtunnel.analysis.analyse import analyse
from windtunnel.analysis.breakdown import (
    BANDS,
    MIN_REQUESTS,
    NGINX_AND_LOOP,
    band,
    band_samples_needed,
    breakdown,
    latency_us,
)
from windtunnel.analysis.summary import OVERALL
from windtunnel.analysis.wording import parts_load, why_no_band
from windtunnel.recording import series
from windtunnel.recording.results import Cell
from windtunnel.recording.series import SampledRequest
from windtunnel.reports import html
from windtunnel.reports.report import report

STORE = "redis/async/fast"
times = st.floats(min_value=1, max_value=1e6)


def sample(us: float, **changes: Any) -> SampledRequest:
    """Half of it in the driver, a fifth each in nginx and the loop, the rest in the handler."""
    split = {"nginx": 0.2 * us, "loop": 0.2 * us, "driver": 0.5 * us, "handler": 0.1 * us}
    facts = {"store": STORE, "mix": "balanced", "rate": 500.0, "round": 1, "operation": "read"}
    made = {"service_us": us, "response_us": us, "parts_us": split}
    return SampledRequest(**{**facts, **made, **changes})


def clean(*rates: float) -> list[Cell]:
    return cells(Made(stores=(STORE,), rounds=1, samples=10, users=(), rates=rates or (500.0,)))


def changed(those: list[Cell], **changes: Any) -> list[Cell]:
    return [msgspec.structs.replace(cell, **changes) for cell in those]


def test_a_band_holds_the_requests_around_its_quantile() -> None:
    requests = [sample(float(us)) for us in range(1, 10_001)]
    random.Random(1).shuffle(requests)
    (parts,) = breakdown(requests, clean())
    typical, slow = (parts.bands[name] for name in BANDS)
    assert typical
    assert slow
    assert (typical.count, slow.count) == (1000, 100)
    assert typical.mean_us == pytest.approx(5000, rel=0.001)
    assert slow.mean_us == pytest.approx(9900, rel=0.001)


def test_below_five_milliseconds_nginx_and_loop_are_one_part() -> None:
    fast = band([sample(4000.0)] * 100, 0.0, 1.0)
    slow = band([sample(6000.0)] * 100, 0.0, 1.0)
    assert fast
    assert slow
    assert fast.parts_us == {NGINX_AND_LOOP: 1600, "driver": 2000, "handler": 400}
    assert list(slow.parts_us) == ["nginx", "loop", "driver", "handler"]


def test_without_nginx_the_loop_stands_alone() -> None:
    direct = {"nginx": None, "loop": 300.0, "driver": 700.0}
    mean_band = band([sample(1000.0, parts_us=direct)] * 100, 0.0, 1.0)
    assert mean_band
    assert mean_band.parts_us == {"loop": 300, "driver": 700}


def test_what_no_clock_saw_is_the_rest() -> None:
    mean_band = band([sample(1000.0, parts_us={"driver": 700.0})] * 100, 0.0, 1.0)
    assert mean_band
    assert mean_band.parts_us == {"driver": 700, "rest": 300}


@given(st.lists(times, min_size=200, max_size=400))
def test_the_parts_add_up_to_the_mean(latencies: list[float]) -> None:
    mean_band = band([sample(us) for us in latencies], 0.45, 0.55)
    assert mean_band
    assert sum(mean_band.parts_us.values()) == pytest.approx(mean_band.mean_us, rel=0.01, abs=1)
    assert min(latencies) <= mean_band.mean_us + 0.1
    assert mean_band.mean_us <= max(latencies) + 0.1


def test_too_few_samples_make_no_band() -> None:
    (parts,) = breakdown([sample(1000.0)] * 150, clean())
    assert parts.bands["p45 to p55"] is not None
    assert parts.bands["p98.5 to p99.5"] is None
    assert (parts.sampled, parts.seconds) == (150, 3.0)
    text = "150 of 1,000 samples"
    assert why_no_band(parts, "p98.5 to p99.5") == f"{text}: measure 20 s in total (3 s now)"
    (changing,) = breakdown([sample(1000.0)] * 150, clean(), steady=False)
    assert why_no_band(changing, "p98.5 to p99.5") == text
    assert band([sample(1.0)] * (MIN_REQUESTS - 1), 0.0, 1.0) is None


@pytest.mark.parametrize("name", BANDS)
def test_a_band_is_there_from_as_many_samples_as_are_asked_for(name: str) -> None:
    needed = band_samples_needed(name)
    for count, is_shown in ((needed * 9 // 10, False), (needed, True)):
        (parts,) = breakdown([sample(1000.0)] * count, clean())
        assert (parts.bands[name] is not None) is is_shown


def test_the_report_says_how_many_samples_a_band_needs() -> None:
    few = analyse(run_of(OPEN), [sample(float(us)) for us in range(1, 60)])
    assert "59 of 1,000 samples" in " ".join(shown(few.summary).split())
    assert "59 of 1,000 samples" in html.render(few)


def test_response_time_chooses_where_there_is_one() -> None:
    assert latency_us(sample(5.0, response_us=9.0)) == 9
    assert latency_us(sample(5.0, response_us=None)) == 5


def test_operations_loads_and_variants_stand_apart() -> None:
    requests = [sample(9.0), sample(9.0, operation="edit"), sample(9.0, rate=100.0)]
    rows = breakdown(requests, clean(100.0, 500.0))
    assert [(row.rate, row.operation) for row in rows] == [
        (100.0, "read"),
        (500.0, OVERALL),
        (500.0, "read"),
        (500.0, "edit"),
    ]


def test_one_process_and_several_behind_nginx_stand_apart() -> None:
    behind = {"generator": 100.0, "nginx": 200.0, "loop": 300.0}
    requests = [sample(600.0, parts_us={"loop": 600.0})] * 200
    requests += [sample(6_000.0, processes=2, parts_us=behind)] * 200
    direct, behind_nginx = breakdown(
        requests, [cell for n in (1, 2) for cell in changed(clean(), processes=n)]
    )
    typical = direct.bands["p45 to p55"]
    assert typical
    assert (direct.processes, behind_nginx.processes, set(typical.parts_us)) == (1, 2, {"loop"})
    assert parts_load(behind_nginx) == "balanced, 500/s, 2 processes, response"


def test_loads_that_differ_in_what_is_beside_them_stand_apart() -> None:
    requests = [sample(us, slow_rate=rate) for us, rate in ((9.0, 2.0), (90.0, 8.0))]
    both = [cell for rate in (2.0, 8.0) for cell in changed(clean(), slow_rate=rate)]
    assert [parts_load(row) for row in breakdown(requests, both)] == [
        "balanced, 500/s + 2/s slow, response",
        "balanced, 500/s + 8/s slow, response",
    ]


def test_samples_of_void_cells_and_without_parts_are_left_out() -> None:
    void = changed(clean(), void="steal")
    assert breakdown([sample(1.0)], void) == []
    assert breakdown([sample(1.0, parts_us={})], clean()) == []


def test_a_clean_cell_does_not_clean_the_attempt_before_it_nor_another_load() -> None:
    first = changed(clean(), void="steal")
    spoiled, again = [sample(9.0)] * 200, [sample(1.0, attempt=2)] * 200
    (parts,) = breakdown([*spoiled, *again], [*first, *changed(clean(), attempt=2)])
    typical = parts.bands["p45 to p55"]
    assert typical
    assert typical.mean_us == 1.0
    assert breakdown(spoiled, [*first, *clean(100.0)]) == []
    assert breakdown(spoiled, [*first, *changed(clean(), processes=2)]) == []


def test_of_older_files_whose_attempts_have_no_number_the_store_is_kept() -> None:
    assert breakdown([sample(9.0)], [*changed(clean(), void="steal"), *clean()])


def test_a_load_that_was_changed_while_it_ran_is_told_as_it_was_then() -> None:
    rows = breakdown([sample(9.0), sample(9.0, rate=100.0)], clean(), steady=False)
    assert [row.rate for row in rows] == [100.0, 500.0]


def test_the_report_shows_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "run", OPEN)
    lines = [msgspec.json.encode(sample(float(us))) for us in range(1, 2001)]
    (folder / series.SAMPLES_FILE).write_bytes(b"\n".join(lines))
    report(folder)
    text = capsys.readouterr().out
    assert "Where the time went" in text
    assert "driver 0.500, nginx and loop 0.400, handler 0.100" in text
    page = (folder / "report.html").read_text()
    assert 'id="time-plot"' in page
    assert "Where the time went" not in html.render(analyse(run_of(OPEN)))
    assert "Where the time went" not in shown(analyse(run_of(OPEN)).summary)
