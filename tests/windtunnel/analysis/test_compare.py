"""Two variants or two runs: what is told apart, what is equal, and what cannot be told."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from tests.windtunnel.generate import Made, cells, info, write
from windtunnel.analysis.compare import DRIFT, VariantsError, compare
from windtunnel.analysis.slo import parse
from windtunnel.analysis.summary import OVERALL, Comparison, ComparisonSummary, Outcome, State
from windtunnel.analysis.verdicts import has_failed, judge_regressions
from windtunnel.cli import main
from windtunnel.recording.results import Cell, Ledger, Run
from windtunnel.reports import comparison
from windtunnel.reports.report import compare as command

STORES = ("redis/async/fast", "sqlite/async/fast")
VARIANTS = ("base", "against")


def run_of(**changes: Any) -> Run:
    made = Made(**{"stores": STORES, "samples": 1000, "drift": 0.02, **changes})
    return Run(path=Path(f"seed-{made.seed}"), info=info(made), cells=cells(made), damaged=[])


def variants_of(factor: float, **changes: Any) -> ComparisonSummary:
    return compare(run_of(**{"variants": VARIANTS, "variant_factor": factor, **changes}))


def p50s(compared: ComparisonSummary, operation: str = "read") -> list[Comparison]:
    return [
        row
        for row in compared.comparisons
        if row.operation == operation and row.metric.endswith("p50")
    ]


def outcomes(compared: ComparisonSummary, operation: str = "read") -> set[Outcome]:
    return {row.outcome for row in p50s(compared, operation)}


def test_a_slower_variant_is_told_with_its_ratio() -> None:
    compared = variants_of(1.3)
    assert (compared.first, compared.second, compared.interleaved) == ("base", "against", True)
    assert outcomes(compared) == {Outcome.SLOWER}
    for row in p50s(compared):
        assert row.low
        assert row.high
        assert row.low < (row.ratio or 0) < row.high
        assert row.ratio == pytest.approx(1.3, rel=0.05)
    assert outcomes(variants_of(1 / 1.3)) == {Outcome.FASTER}


def test_equal_variants_are_equal_only_when_the_interval_says_so() -> None:
    steady = variants_of(1.0, drift=0.001, samples=6000)
    assert outcomes(steady) == {Outcome.SAME}
    assert all(row.low and row.low > 1 / 1.05 for row in p50s(steady))
    assert outcomes(variants_of(1.0, drift=0.2)) == {Outcome.INCONCLUSIVE}


def test_a_real_difference_that_lies_within_five_percent_is_none() -> None:
    assert outcomes(variants_of(1.02, drift=0.0005, samples=20_000)) == {Outcome.SAME}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_twenty_pairs_of_the_same_differ_in_three_at_most(seed: int) -> None:
    comparisons = [
        p50s(variants_of(1.0, seed=100 * seed + pair, stores=STORES[:1], samples=300))[0]
        for pair in range(20)
    ]
    decided = [row for row in comparisons if row.outcome in {Outcome.FASTER, Outcome.SLOWER}]
    assert len(decided) <= 3


def test_ten_percent_are_found_in_eighteen_of_twenty() -> None:
    steady: dict[str, Any] = {"stores": STORES[:1], "samples": 4000, "mixes": ("read",)}
    comparisons = [
        p50s(variants_of(1.1, seed=pair, base_us={STORES[0]: 20_000.0}, **steady))[0]
        for pair in range(20)
    ]
    assert sum(row.outcome is Outcome.SLOWER for row in comparisons) >= 18


def test_more_throughput_is_faster() -> None:
    made = [
        msgspec.structs.replace(cell, throughput_rps=cell.throughput_rps * 1.5)
        if cell.variant == "against"
        else cell
        for cell in run_of(variants=VARIANTS).cells
    ]
    run = msgspec.structs.replace(run_of(variants=VARIANTS), cells=made)
    comparisons = [row for row in compare(run).comparisons if row.operation == OVERALL]
    assert {row.outcome for row in comparisons} == {Outcome.FASTER}


def test_open_load_is_compared_by_response_time() -> None:
    compared = variants_of(1.3, users=(), rates=(500.0,))
    assert {row.metric for row in compared.comparisons} == {
        "response_p50",
        "response_p99",
    }
    assert outcomes(compared) == {Outcome.SLOWER}


def test_fewer_than_six_rounds_cannot_tell() -> None:
    compared = variants_of(3.0, rounds=5)
    assert {row.outcome for row in compared.comparisons} == {Outcome.INCONCLUSIVE}
    assert p50s(compared)[0].why == "fewer than 6 rounds"


def test_failures_in_the_second_make_it_slower_where_they_reach() -> None:
    made = run_of(variants=VARIANTS, samples=4000)
    broken = [_failing(cell) if cell.variant == "against" else cell for cell in made.cells]
    compared = compare(msgspec.structs.replace(made, cells=broken))
    p99 = [row for row in compared.comparisons if row.metric == "p99"]
    assert {row.outcome for row in p99} == {Outcome.SLOWER}
    assert p99[0].why == "the second failed or skipped more than this quantile leaves out"


def _failing(cell: Cell) -> Cell:
    bad = [
        msgspec.structs.replace(row, outcome="timeout", count=row.count // 20, service_us=None)
        for row in cell.operations
    ]
    return msgspec.structs.replace(cell, operations=[*cell.operations, *bad])


def test_where_the_generator_was_the_limit_the_slower_one_is_not_blamed() -> None:
    compared = variants_of(1.3, users=(), rates=(500.0,), limited=STORES)
    assert outcomes(compared) == {Outcome.INCONCLUSIVE}
    assert "the generator was the limit" in (p50s(compared)[0].why or "")


def test_two_runs_are_compared_unpaired_and_the_text_warns_of_drift() -> None:
    compared = compare(run_of(seed=1), run_of(seed=2, base_us={STORES[0]: 9000.0}))
    assert not compared.interleaved
    assert compared.caveats[0] == DRIFT
    by_store = {row.store: row.outcome for row in p50s(compared)}
    assert by_store[STORES[0]] is Outcome.SLOWER
    assert "Only interleaved cells can prove a regression" in " ".join(shown(compared).split())


def test_what_differs_besides_comes_first() -> None:
    first, second = run_of(seed=1), run_of(seed=2)
    ledgers = {**second.info.stores, STORES[0]: Ledger(driver="redis 9", promise="commit=fast")}
    host = {**second.info.host, "cores": 64}
    other = msgspec.structs.replace(
        second, info=msgspec.structs.replace(second.info, stores=ledgers, host=host)
    )
    compared = compare(first, other)
    assert "host cores: 2, then 64" in compared.differences
    assert "redis/async/fast: driver: redis 1.2.3, then redis 9" in compared.differences
    text = shown(compared)
    assert text.index("host cores") < text.index("p50")


def test_a_second_server_s_ledger_is_compared_too() -> None:
    run = run_of(variants=VARIANTS)
    ledger = msgspec.structs.replace(run.info.stores[STORES[0]], server="redis 99")
    info_ = msgspec.structs.replace(run.info, against={STORES[0]: ledger})
    compared = compare(msgspec.structs.replace(run, info=info_))
    assert compared.differences == [f"{STORES[0]}: server: redis 18.4, then redis 99"]


def test_what_only_one_has_is_named() -> None:
    compared = compare(run_of(), run_of(stores=STORES[:1]))
    assert "Measured under its load in the first alone: sqlite/async/fast." in compared.caveats


def test_runs_that_do_not_fit_are_one_line() -> None:
    with pytest.raises(VariantsError, match="has 1 variant, two are compared"):
        compare(run_of())
    with pytest.raises(VariantsError, match=r"has variants itself \(base, against\)"):
        compare(run_of(), run_of(variants=VARIANTS))


@pytest.mark.parametrize(
    ("factor", "state"), [(1.5, State.FAILS), (1.0, State.HOLDS), (1 / 1.5, State.HOLDS)]
)
def test_a_regression_is_judged(factor: float, state: State) -> None:
    compared = variants_of(factor, drift=0.002, samples=6000, mixes=("read",))
    verdicts = judge_regressions([parse("regression < 10% on redis/*")], compared, [])
    states = {row.operation: row.state for row in verdicts}
    assert states["read p50"] is state
    assert has_failed(verdicts) is (state is State.FAILS)


def test_a_doubtful_regression_neither_holds_nor_fails() -> None:
    verdicts = judge_regressions([parse("regression < 10%")], variants_of(1.1, drift=0.2), [])
    assert {row.state for row in verdicts if row.operation == "read p50"} == {State.INCONCLUSIVE}


def test_the_command_prints_and_tells_whether_an_objective_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Made(stores=STORES, variants=VARIANTS, variant_factor=1.5, samples=1000, drift=0.01)
    folder = str(write(tmp_path / "run", made))
    assert command(folder, None, ["regression < 10%"], json=False)
    text = capsys.readouterr().out
    assert "against compared with base" in text
    assert "fails: regression < 10%" in text
    assert not command(folder, None, [], json=True)
    printed = msgspec.json.decode(capsys.readouterr().out, type=ComparisonSummary)
    assert outcomes(printed) == {Outcome.SLOWER}


@pytest.mark.parametrize("width", [60, 140])
def test_the_terminal_s_width_is_kept(width: int) -> None:
    text = shown(variants_of(1.3), width)
    assert max(map(len, text.splitlines())) <= width


def shown(compared: ComparisonSummary, width: int = 140) -> str:
    console = Console(width=width, highlight=False, force_terminal=False)
    with console.capture() as captured:
        comparison.show(compared, console)
    return captured.get()


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["--slo", "regression < 10%"], 1, ""),
        (["--slo", "regression < 90%"], 0, ""),
        ([], 0, ""),
        (["--slo", "regression < 10"], 2, "expected % after 10"),
        (["nowhere"], 3, "no run 'nowhere' here"),
    ],
)
def test_the_exit_code_is_that_of_the_objectives_or_of_the_mistake(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    line: str,
) -> None:
    made = Made(stores=STORES, variants=VARIANTS, variant_factor=1.5, samples=1000, drift=0.01)
    folder = str(write(tmp_path / "run", made))
    assert main.run(["compare", folder, *arguments]) == code
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == bool(line)


def test_one_run_without_variants_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(write(tmp_path / "run", Made(stores=STORES)))
    assert main.run(["compare", folder]) == 2
    assert "--against URL" in capsys.readouterr().err
