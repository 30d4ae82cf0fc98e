"""Three variants or more are ranked in one list; two are compared; one stays as it is."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from tests.windtunnel.generate import Made, cells, info, ledger
from tests.windtunnel.runner.test_cell_plan import offer
from windtunnel.analysis.analyse import analyse
from windtunnel.analysis.compare import VariantsError, compare
from windtunnel.analysis.keys import has_ranked_variants, ledgers_by_key
from windtunnel.analysis.precision import precision
from windtunnel.analysis.slo import parse
from windtunnel.analysis.verdicts import judge
from windtunnel.cli import main
from windtunnel.recording.results import Run
from windtunnel.runner.cell_plan import LoadSpec, Variant, plan
from windtunnel.runner.progress import ProgressDisplay
from windtunnel.runner.request import Request
from windtunnel.runner.scenario import Scenario
from windtunnel.runner.strategies import search
from windtunnel.runner.targets import RunningServer, Variants, variant_server

STORE = "sqlite/blocking/fast"
NAMES = ("base", "second", "against")


def made(variants: tuple[str | None, ...] = NAMES, **changes: Any) -> Run:
    """Return a run in which the variant "against" is slower by half."""
    facts: dict[str, Any] = {"stores": (STORE,), "samples": 1000, "drift": 0.01}
    given = Made(variants=variants, variant_factor=1.5, **{**facts, **changes})
    ledgers = {name: {STORE: ledger(STORE)} for name in variants if name}
    about = msgspec.structs.replace(info(given), variants=ledgers)
    return Run(path=Path("run"), info=about, cells=cells(given), damaged=[])


def test_rows_are_named_by_variant_and_store_and_ranked() -> None:
    summary = analyse(made(mixes=("read",), rates=(300.0,), users=())).summary
    [table] = [table for table in summary.tables if table.subject == "read"]
    assert {row.store for row in table.rows} == {f"{name} {STORE}" for name in NAMES}
    places = {row.store: row.scores["service_p50"].place for row in table.rows}
    assert places[f"against {STORE}"] == 3
    assert places[f"base {STORE}"] == places[f"second {STORE}"] == 1
    assert set(summary.stores) == {f"{name} {STORE}" for name in NAMES}
    assert summary.compared is None


@pytest.mark.parametrize("variants", [(None,), NAMES[:2], ("base", "against")])
def test_fewer_variants_stay_what_they_are(variants: tuple[str | None, ...]) -> None:
    run = made(variants)
    assert not has_ranked_variants(run)
    assert {key.variant for key in ledgers_by_key(run)} == {None}


def test_a_run_that_ended_early_is_told_the_same_way() -> None:
    run = made()
    cells = [cell for cell in run.cells if cell.variant == "base"]
    assert has_ranked_variants(msgspec.structs.replace(run, cells=cells))


def test_objectives_and_precision_speak_of_each() -> None:
    run = made(mixes=("read",))
    verdicts = judge([parse("p50(read) < 1s on *against*")], run)
    assert [verdict.store for verdict in verdicts] == [f"against {STORE}"]
    verdicts = judge([parse("p50(read) < 1s on sqlite/*")], run)
    assert len(verdicts) == 3
    widest = precision(made(mixes=("read",)))
    assert widest is not None
    assert STORE in widest.subject


def test_they_are_not_compared_by_twos() -> None:
    with pytest.raises(VariantsError, match=r"3 variants.*: windtunnel report "):
        compare(made())


# -- who takes part ---------------------------------------------------------------------------


def lineup(*servers: tuple[str, str, list[Any]]) -> Variants:
    target = RunningServer.__new__(RunningServer)  # nothing is loaded here
    return Variants(
        tuple(
            variant_server(target, offers, Variant(name, frozenset({mode})))
            for name, mode, offers in servers
        )
    )


ASYNC, BLOCKING = "redis/async/fast", "redis/blocking/fast"


def test_each_variant_measures_its_modes_only() -> None:
    both = [offer(ASYNC), offer(BLOCKING)]
    line = lineup(("a", "async", both), ("b", "blocking", both), ("c", "blocking", both[1:]))
    assert [store.id for store in line.stores()] == [ASYNC, BLOCKING]
    load = LoadSpec("read", None, 1, 40.0)
    planned = plan(line.stores(), [], [load], full=True, rounds=1, seed=1, variants=line.variants)
    cells = {(order.variant, order.store.id) for order in planned}
    assert cells == {("a", ASYNC), ("b", BLOCKING), ("c", BLOCKING)}
    assert len(planned) == 3


def test_a_store_is_left_out_where_a_server_lacks_it_and_down_where_one_is() -> None:
    up, down = offer(BLOCKING), offer(BLOCKING, status="down")
    assert lineup(("b", "blocking", [up]), ("c", "blocking", [])).stores() == []
    [store] = lineup(("b", "blocking", [up]), ("c", "blocking", [down])).stores()
    assert store.status == "down"
    assert lineup(("a", "async", [up])).stores() == []


def test_a_server_is_found_by_its_variant() -> None:
    line = lineup(("a", "async", [offer(ASYNC)]), ("b", "blocking", []))
    assert line["b"].variant.name == "b"
    assert line["a"].stores[ASYNC].id == ASYNC


def test_a_capacity_is_searched_for_each_variant(tmp_path: Path) -> None:
    both = [offer(ASYNC), offer(BLOCKING)]
    line = lineup(("a", "async", both), ("b", "blocking", both), ("c", "blocking", both))
    request = Request(scenario="wsgi", mixes=("read",), rates=(40.0,), slos=("p99(read) < 1ms",))
    planned = plan(
        *(line.stores(), [], request.loads), full=True, rounds=1, seed=1, variants=line.variants
    )
    with ProgressDisplay(len(planned), Console(quiet=True)) as shown:
        step = list(islice(search(request, 40.0)(planned, tmp_path, shown), 3))
    asked = {(order.variant, order.store.id, order.load.rate) for order in step}
    assert asked == {("a", ASYNC, 40.0), ("b", BLOCKING, 40.0), ("c", BLOCKING, 40.0)}


# -- what a scenario is measured with ---------------------------------------------------------


def test_a_scenario_s_file_states_its_defaults() -> None:
    wsgi, crud = Scenario.read("wsgi"), Scenario.read("crud")
    assert (wsgi.mix, wsgi.stores) == ("summary", ("postgres-psycopg/*/fast",))
    assert (wsgi.rates, wsgi.poisson, wsgi.duration) == ((40.0,), True, 9.0)
    assert (crud.mix, crud.stores, crud.rates, crud.poisson) == ("balanced", (), (), False)


def test_more_processes_than_one_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["run", "wsgi", "--processes", "2"]) == 2
    assert "one process of each: leave out --processes" in capsys.readouterr().err
