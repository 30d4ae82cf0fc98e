"""A tuner gives up what is worse and nothing else, and leaves the stack as it was."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import msgspec
import psutil
import pytest
from rich.console import Console

from deploy import lifecycle, splits, stack
from deploy.services import Workspace
from nginx.plan import SplitPlan, edit_plan, read_plan
from tests.stacks import eventually, own_workspace
from tests.windtunnel.generate import histogram
from tests.windtunnel.served import ROOT
from windtunnel.analysis.slo import parse
from windtunnel.recording import results, tuning_results
from windtunnel.recording.results import (
    Cell,
    LatencySummary,
    OperationResult,
    RunInfo,
    StreamResult,
)
from windtunnel.reports import report
from windtunnel.reports.tuning import lines, scatter
from windtunnel.runner.progress import ProgressDisplay
from windtunnel.runner.trial_stack import layout_of, split_plan
from windtunnel.tuning.conclusion import conclude
from windtunnel.tuning.layout import PoolLayout, read
from windtunnel.tuning.tuner import Limits, Trials

FOUR = [read(name) for name in ("4-together", "3+1", "2+2", "1+3")]
RATES = {"fast": 500.0, "slow": 20.0}
SECONDS = 2

Truth = Mapping[str, tuple[float, float]]
"""By layout: the fast p99 in ms, and the slow requests done a second."""


class Made:
    """Cells that are as a truth says, but for a machine that drifts from round to round."""

    def __init__(self, folder: Path, truth: Truth, noise: float = 0.05) -> None:
        self.folder, self._truth, self._noise = folder, truth, noise
        self._draw, self.order = random.Random(1), list[tuple[int, str]]()
        info = RunInfo(scenario="pools", started=datetime.now(UTC), seed=1)
        results.create(folder, info)

    def __call__(self, layout: PoolLayout, round_number: int) -> None:
        p99, done = self._truth[layout.name]
        drift = random.Random(round_number).lognormvariate(0, 3 * self._noise)
        p99 *= 1000 * drift * self._draw.lognormvariate(0, self._noise)
        self.order.append((round_number, layout.name))
        slow = round(done * SECONDS)
        cell = Cell(
            store="redis/async/fast",
            variant=layout.name,
            mix="balanced",
            round=round_number,
            rate=RATES["fast"],
            seconds=SECONDS,
            throughput_rps=0.0,
            operations=[
                operation("read", round(RATES["fast"] * SECONDS), p99),
                operation("sleep", slow, 20_000),
            ],
            streams={kind: stream(kind) for kind in RATES},
        )
        results.append(self.folder, cell)
        with (self.folder / "series.jsonl").open("ab") as file:
            for second, count in enumerate((slow // 2, slow - slow // 2)):
                named = {"operation": "sleep", "outcome": "ok", "count": count}
                line = {
                    "store": cell.store, "variant": cell.variant, "mix": cell.mix,
                    "round": round_number, "rate": cell.rate, "second": second,
                    "operations": [named],
                }  # fmt: skip
                file.write(msgspec.json.encode(line) + b"\n")


def operation(name: str, count: int, p99: float) -> OperationResult:
    values = [int(p99 * (rank + 1) / count / 0.99) + 1 for rank in range(count)]
    times = LatencySummary(histogram=histogram(values))
    return OperationResult(operation=name, count=count, service_us=times, response_us=times)


def stream(kind: str) -> StreamResult:
    known = {"fast": "read", "slow": "sleep"}
    intended = round(RATES[kind] * SECONDS)
    return StreamResult(rate=RATES[kind], work=kind, operations=[known[kind]], intended=intended)


def tried(folder: Path, truth: Truth, slo: str = "p99(fast) < 50ms", **limits: float) -> Trials:
    made = Made(folder / "run", truth)
    trials = Trials(
        [each for each in FOUR if each.name in truth],
        [parse(slo)],
        made.folder,
        Limits(**{"precision": 0.001, "rounds": 12, **limits}),  # type: ignore[arg-type]
        note=lambda _: None,
    )
    trials.run(made)
    by_round: dict[int, set[str]] = {}
    for number, name in made.order:
        by_round.setdefault(number, set()).add(name)
    assert list(by_round) == sorted(by_round), "rounds are interleaved"
    return trials


# -- the rule -----------------------------------------------------------------------------------


def test_what_is_clearly_worse_is_given_up_and_the_best_is_found(tmp_path: Path) -> None:
    truth = {"4-together": (300, 20), "3+1": (3, 10), "2+2": (4, 20), "1+3": (20, 20)}
    trials = tried(tmp_path, truth)
    assert trials.dropped.keys() == {"4-together", "3+1", "1+3"}
    assert "breaks p99(fast) < 50ms" in trials.dropped["4-together"]
    assert "50% less slow work" in trials.dropped["3+1"]
    assert "x best" in trials.dropped["1+3"]
    assert trials.ended == "all others were dropped, after 6 rounds"
    found = conclude(trials, "3+1", {})
    assert (found.recommended, found.ties, found.runner_up) == ("2+2", [], "1+3")
    assert {each.name for each in found.tried if each.front} == {"3+1", "2+2"}
    assert all(each.rounds in {4, 5, 6} for each in found.tried)


def test_what_cannot_be_told_apart_is_a_tie_and_the_former_split_stays(tmp_path: Path) -> None:
    trials = tried(tmp_path, {"3+1": (3, 20), "2+2": (3, 20)}, rounds=6)
    assert not trials.dropped
    assert trials.ended == "6 rounds, as many as were allowed"
    first, second = (each.layout.name for each in trials.evaluations())
    found = conclude(trials, second, {})
    assert (found.recommended, found.ties) == (second, [first])
    assert conclude(trials, None, {}).recommended == first


def test_a_precision_that_is_reached_ends_it(tmp_path: Path) -> None:
    trials = tried(tmp_path, {"3+1": (3, 20), "2+2": (3, 20)}, precision=0.5)
    assert trials.ended.startswith("precision reached after 6 rounds: ratios to the best to within")


def test_one_split_only_has_no_ratio(tmp_path: Path) -> None:
    trials = tried(tmp_path, {"3+1": (3, 20)})
    assert trials.ended == "6 rounds: there was one split only, so none to compare it with"
    trials = tried(tmp_path / "late", {"3+1": (3, 20)}, max_time=0.0)
    assert trials.ended == "time is over after 1 round of one split only"


@pytest.mark.parametrize(
    ("former", "said"),
    [
        (None, "The former split (weights, balances that differ or another pool: no plain "),
        ("2+2", "The former split, 2+2, was not measured, so the recommended one was not comp"),
        ("3+1", None),
    ],
)
def test_what_one_has_that_was_not_measured_is_said(
    tmp_path: Path, former: str | None, said: str | None
) -> None:
    trials = tried(tmp_path, {"3+1": (3, 20), "4-together": (3, 20)}, rounds=2)
    told = list(lines(conclude(trials, former, {})))
    assert [line for line in told if "not measured" in line and said and said in line] or not said
    assert any("not measured" in line for line in told) is (said is not None)
    again = "The split is again as it was" + (f": {former}. " if former else ". ")
    assert any(line.startswith(again) for line in told)


def test_the_time_left_is_no_longer_than_the_time_there_is() -> None:
    now, said = 0.0, StringIO()
    with ProgressDisplay(60, Console(file=said), clock=lambda: now, within=60) as shown:
        for second in (0.0, 12.0, 24.0, 55.0, 70.0):
            now = second
            shown.begin("cell")
            shown.done()
    assert re.findall(r"\d+:\d\d left", said.getvalue()) == [
        "0:48 left", "0:36 left", "0:18 left", "0:18 left",
    ]  # fmt: skip


def test_time_that_is_over_ends_it(tmp_path: Path) -> None:
    trials = tried(tmp_path, {"3+1": (3, 20), "2+2": (3.1, 20)}, max_time=0.0)
    assert trials.ended == "time is over after 1 rounds: ratios to the best are not known yet"


def test_where_nothing_holds_the_nearest_is_told(tmp_path: Path) -> None:
    trials = tried(tmp_path, {"4-together": (300, 20), "3+1": (90, 10)})
    found = conclude(trials, "4-together", {})
    assert found.recommended == "3+1"
    assert not any(each.holds for each in found.tried)


def test_requests_without_an_answer_are_the_slowest(tmp_path: Path) -> None:
    truth = {"3+1": (3.0, 20.0)}
    made = Made(tmp_path / "run", truth)
    for number in range(1, 7):
        made(read("3+1"), number)
    file = made.folder / "cells.jsonl"
    cells = [msgspec.json.decode(line, type=Cell) for line in file.read_bytes().splitlines()]
    twice = {"fast": msgspec.structs.replace(stream("fast"), intended=2000), "slow": stream("slow")}
    file.write_bytes(
        b"".join(
            msgspec.json.encode(msgspec.structs.replace(c, streams=twice)) + b"\n" for c in cells
        )
    )
    trials = Trials(FOUR, [parse("p99(fast) < 50ms")], made.folder, Limits())
    [one] = trials.evaluations()
    assert one.fast_p99.estimate >= 10_000_000
    assert one.works["fast"].failed_share == pytest.approx(0.5)
    assert not one.holds


def test_a_plot_has_every_point_and_its_letters() -> None:
    lines = list(scatter({"3+1": (20, 3), "2+2": (10, 300)}, ["3+1"], "across", "up"))
    drawn = "\n".join(lines)
    assert "A" in drawn
    assert "b" in drawn
    assert lines[0] == "up"
    assert list(scatter({}, [], "", "")) == []


@pytest.mark.parametrize("layout", FOUR, ids=lambda layout: layout.name)
def test_a_split_is_told_as_the_division_that_it_was_made_of(layout: PoolLayout) -> None:
    assert layout_of(split_plan(read_plan(), layout)) == layout


def test_a_split_without_a_slow_pool_is_everything_together() -> None:
    without = edit_plan(read_plan(), {"pools.slow": "", 'routes."/slow/"': ""})
    assert layout_of(without) == PoolLayout(3, 0)
    assert set(split_plan(without, read("4-together")).pools) == {"fast"}
    assert layout_of(split_plan(without, read("2+2"))) == PoolLayout(2, 2)


def test_a_split_of_another_kind_is_no_division() -> None:
    weighted = edit_plan(read_plan(), {"pools.fast.weights": "3,1,1"})
    assert layout_of(weighted) is None
    more = {"pools.heavy.processes": "1", 'routes."/heavy/"': "heavy"}
    assert layout_of(edit_plan(read_plan(), more)) is None
    assert layout_of(split_plan(weighted, read("3+1"))) == read("3+1")


# -- the command, on a stack of its own ---------------------------------------------------------

SPLITS = ("--split", "2-together", "--split", "1+1")
QUICK = ("--store", "sqlite/async/fast", "--duration", "1", "--warmup", "0.2", "--rates", "60,4")


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    with own_workspace() as workspace:
        lifecycle.ensure_up([], processes=1, slow=1, workspace=workspace)
        yield workspace


@pytest.fixture
def tuning(workspace: Workspace, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    environment = {
        **os.environ,
        "WINDTUNNEL_FOLDER": str(workspace.root),
        "WINDTUNNEL_OFFSET": str(workspace.offset),
    }

    def start(*arguments: str) -> subprocess.Popen[str]:
        slo = ("--slo", "p99(response, fast) < 9s", "--sleep-ms", "50")
        return subprocess.Popen(
            [sys.executable, "-m", "windtunnel", "tune", *slo, *QUICK, *SPLITS,
             "--results", str(tmp_path), *arguments],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    return start


def plan_in_force(workspace: Workspace) -> SplitPlan:
    running = stack.running(workspace)
    assert running is not None
    return splits.active_plan(running)


def test_a_short_tune_measures_reports_and_sets_what_it_recommends(
    workspace: Workspace, tmp_path: Path, tuning: Callable[..., subprocess.Popen[str]]
) -> None:
    former = plan_in_force(workspace)
    process = tuning("--rounds", "2", "--apply")
    said, complaint = process.communicate(timeout=200)
    assert process.returncode == 0, complaint
    [folder] = tmp_path.iterdir()
    run = results.load(folder)
    assert sorted((cell.round, cell.variant) for cell in run.cells if cell.void is None) == [
        (1, "1+1"), (1, "2-together"), (2, "1+1"), (2, "2-together"),
    ]  # fmt: skip
    pools = {
        (cell.variant, each.pool)
        for cell in run.cells
        for each in cell.operations
        if each.operation == "sleep"
    }
    assert pools == {("1+1", "slow"), ("2-together", "fast")}
    found = tuning_results.load(folder)
    assert found is not None
    assert found.applied
    assert found.fast is not None
    assert found.slow is not None
    assert all(50_000 <= us < 5_000_000 for us in found.slow.service_us)
    assert all(each.predicted_fast_p99_us.estimate for each in found.tried)
    assert re.search(r"^Recommended: (1\+1|2-together) ", said, re.MULTILINE)
    assert "Pareto's front" in said
    assert 'id="split-plot"' in (folder / report.HTML_FILE).read_text()
    wanted = edit_plan(former, read(found.recommended or "").settings)
    assert plan_in_force(workspace) == wanted
    if wanted != former:
        running = stack.running(workspace)
        assert running is not None
        splits.undo(running)
    assert plan_in_force(workspace) == former


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_former_split_comes_back_when_it_is_interrupted(
    end: signal.Signals,
    workspace: Workspace,
    tmp_path: Path,
    tuning: Callable[..., subprocess.Popen[str]],
) -> None:
    former = plan_in_force(workspace)
    process = tuning("--rounds", "50")
    eventually(lambda: plan_in_force(workspace) != former or process.poll() is not None, 120)
    process.send_signal(end)
    said, complaint = process.communicate(timeout=100)
    assert process.returncode == 130, complaint
    assert "the former split comes back" in said
    assert "Traceback" not in said + complaint
    assert plan_in_force(workspace) == former


def test_the_former_split_comes_back_when_the_generator_dies(
    workspace: Workspace, tuning: Callable[..., subprocess.Popen[str]]
) -> None:
    former = plan_in_force(workspace)
    process = tuning("--rounds", "50")
    eventually(lambda: plan_in_force(workspace) != former or process.poll() is not None, 120)
    tuner = psutil.Process(process.pid)
    eventually(lambda: len(tuner.children()) == 1)  # a test of nginx's is one for a moment
    [generator] = tuner.children()
    generator.kill()
    said, complaint = process.communicate(timeout=100)
    assert process.returncode == 3, said + complaint
    assert complaint.splitlines() == ["windtunnel: the load generator ended with status -9"]
    assert plan_in_force(workspace) == former


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--rates", "5"), "must be two rates, as 200,5"),
        (("--split", "half"), "'half' is no layout"),
        (("--split", "40+40"), "'40+40': give 64 processes or fewer"),
        (("--split", "1+1-fair"), "choose from round_robin"),
        (("--slow-work", "nap"), "choose from sleep, summary"),
        (("--mix", "summary"), "is slow work: see --slow-work"),
        (("--store", "memory/async/volatile"), "each has data of its own"),
        (("--store", "nothing/*"), "no store matches"),
    ],
)
def test_what_cannot_be_tuned_is_a_line_and_changes_nothing(
    arguments: tuple[str, ...],
    said: str,
    workspace: Workspace,
    tuning: Callable[..., subprocess.Popen[str]],
) -> None:
    former = plan_in_force(workspace)
    process = tuning(*arguments)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode in {2, 3}
    assert said in complaint
    assert len(complaint.splitlines()) == 1
    assert plan_in_force(workspace) == former
