"""The highest rate at which an objective held, and objectives in a report."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.windtunnel.generate import Made, cells, info
from tests.windtunnel.reports.test_report import shown
from windtunnel.analysis import wording
from windtunnel.analysis.analyse import Analysis, analyse
from windtunnel.analysis.capacity import capacities, combined_state, why_too_few_samples
from windtunnel.analysis.keys import TableLoad
from windtunnel.analysis.summary import Outcome, State, Verdict
from windtunnel.analysis.verdicts import GENERATOR
from windtunnel.recording.results import Run
from windtunnel.reports import comparison, html

STORES = ("redis/async/fast", "sqlite/async/fast")
HOLDS, FAILS, INCONCLUSIVE = State.HOLDS, State.FAILS, State.INCONCLUSIVE


def verdict(rate: float | None, state: State, store: str = STORES[0]) -> Verdict:
    load = TableLoad(mix="balanced", rate=rate, users=None if rate else 8)
    return Verdict(slo="p99 < 1ms", store=store, operation="read", load=load, state=state)


def run_of(*slos: str, **changes: Any) -> Run:
    made = Made(
        **{"stores": STORES, "samples": 1500, "users": (), "rates": (100.0, 400.0), **changes}
    )
    about = msgspec.structs.replace(info(made), settings={"slos": list(slos)})
    return Run(path=Path("made"), info=about, cells=cells(made), damaged=[])


@pytest.mark.parametrize(
    ("states", "held", "broke", "words"),
    [
        ({100: HOLDS, 200: HOLDS, 400: FAILS}, 200, 400, "200 requests/s; at 400 it failed"),
        ({100: HOLDS, 200: HOLDS}, 200, None, "at least 200 requests/s, the highest tried"),
        ({100: FAILS, 200: HOLDS}, None, 100, "at none of the rates tried; the lowest, 100/s"),
        ({100: HOLDS, 200: INCONCLUSIVE}, 100, 200, "100 requests/s; at 200 it was inconclusive"),
    ],
)
def test_it_is_the_highest_below_the_lowest_that_did_not_hold(
    states: dict[int, State], held: float | None, broke: float | None, words: str
) -> None:
    (capacity,) = capacities(verdict(float(rate), state) for rate, state in states.items())
    assert (capacity.held, capacity.broke) == (held, broke)
    assert words in wording.capacity(capacity)


def test_every_operation_must_hold() -> None:
    assert combined_state([HOLDS, HOLDS]) is HOLDS
    assert combined_state([HOLDS, INCONCLUSIVE]) is INCONCLUSIVE
    assert combined_state([INCONCLUSIVE, FAILS, HOLDS]) is FAILS


def test_samples_are_lacking_where_nothing_fails_and_no_generator_was_the_limit() -> None:
    made = cells(Made(stores=STORES[:1], samples=200, rounds=2, users=(), rates=(100.0,)))
    few = msgspec.structs.replace(verdict(100.0, INCONCLUSIVE), slo="p99 < 1ms", why="needs 1,000")
    busy = msgspec.structs.replace(few, why=GENERATOR)
    reason = why_too_few_samples([few, verdict(100.0, HOLDS)], made, 3.0)
    assert reason == "read has 240 of 1,000 samples: give --duration 14, or more --rounds"
    assert why_too_few_samples([busy, verdict(100.0, HOLDS)], made, 3.0) is None
    assert why_too_few_samples([few, verdict(100.0, FAILS)], made, 3.0) is None
    assert why_too_few_samples([verdict(100.0, HOLDS)], made, 3.0) is None


def test_the_best_store_comes_first_and_one_rate_or_closed_load_makes_no_capacity() -> None:
    better = [verdict(100.0, HOLDS, STORES[1]), verdict(200.0, HOLDS, STORES[1])]
    worse = [verdict(100.0, HOLDS), verdict(200.0, FAILS)]
    assert [row.store for row in capacities([*worse, *better])] == [STORES[1], STORES[0]]
    assert capacities([verdict(100.0, HOLDS), verdict(None, HOLDS)]) == []


def test_a_report_says_what_held_and_up_to_which_rate() -> None:
    run = run_of("p50(read) < 3ms", base_us={STORES[0]: 300.0, STORES[1]: 9000.0})
    analysis = analyse(run)
    assert {row.store: row.held for row in analysis.summary.capacities} == {
        STORES[0]: 400.0,
        STORES[1]: None,
    }
    for text in (shown(analysis.summary), html.render(analysis).replace("&lt;", "<")):
        assert "Highest rate at which it held: p50(read) < 3ms" in text
        assert "redis/async/fast, balanced: at least 400 requests/s" in text
        assert "2 failed, 2 held" in text


def test_a_regression_without_variants_fails_with_what_is_missing() -> None:
    (failure,) = analyse(run_of("regression < 5%")).summary.verdicts
    assert failure.state is FAILS
    assert "two variants" in (failure.why or "")


def test_a_regression_of_a_store_that_one_side_could_not_measure_fails() -> None:
    run = run_of("regression < 50%", variants=("base", "against"), rates=(100.0,))
    cells = [
        msgspec.structs.replace(cell, void="the server did not answer")
        if (cell.store, cell.variant) == (STORES[1], "against")
        else cell
        for cell in run.cells
    ]
    verdicts = analyse(msgspec.structs.replace(run, cells=cells)).summary.verdicts
    assert {row.store for row in verdicts if row.state is FAILS} == {STORES[1]}
    assert {row.store for row in verdicts} == set(STORES)


def test_variants_are_compared_in_the_report_itself() -> None:
    run = run_of("regression < 5%", variants=("base", "against"), variant_factor=1.5)
    analysis = analyse(run)
    assert analysis.summary.compared
    assert FAILS in {row.state for row in analysis.summary.verdicts}
    assert analysis.summary.capacities == []
    for text in (shown(analysis.summary), html.render(analysis)):
        assert "against compared with base" in text


def test_what_two_variants_differ_in_comes_first_and_is_drawn_together() -> None:
    made = {"variants": ("base", "against"), "variant_factor": 1.5, "rates": (100.0,)}
    analysis = analyse(run_of(stores=STORES[:1], **made))
    assert analysis.summary.compared
    (tally, *lines) = comparison.gist(analysis.summary.compared)
    decided = [
        row for row in analysis.summary.compared.comparisons if row.outcome == Outcome.SLOWER
    ]
    assert f"{len(decided)} slower" in tally
    assert all(line.startswith("slower: redis/async/fast, overall, ") for line in lines)
    assert "can be ranked" not in shown(analysis.summary)
    assert "can be ranked" not in html.render(analysis).partition("Caveats")[0]

    both = analyse(run_of(**made))
    assert "Fastest for read" in shown(both.summary)
    (chart,) = drawn(both)
    assert "variant" not in chart["title"]
    names = [f"{variant} {store}" for store in STORES for variant in ("against", "base")]
    assert sorted(chart["operations"]["read"]["response"]) == sorted(names)
    assert sorted(chart["stacked"]) == sorted(names)


def drawn(analysis: Analysis) -> list[dict[str, Any]]:
    """The charts that the page has in it."""
    page = html.render(analysis)
    _, _, rest = page.partition('id="data"')
    data = json.loads(rest.partition(">")[2].partition("</script>")[0])
    return list(data["views"])


def test_an_objective_that_cannot_be_read_back_is_a_caveat() -> None:
    summary = analyse(run_of("p99(read) < 5parsec")).summary
    assert any("5parsec" in caveat for caveat in summary.caveats)
