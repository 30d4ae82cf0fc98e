"""The harness of `make perf` and `make truth`: its table and its exit codes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.harness import Check, Experiment, ExperimentError, Suite, run
from deploy.errors import StackError

COLUMNS = {"name": "what", "measured": "measured", "bound": "limit", "passed": ""}


def experiment(*passed: bool | None, error: BaseException | None = None) -> Experiment:
    def checks() -> Iterator[Check]:
        """Doubles of a check."""
        for number, outcome in enumerate(passed):
            yield Check(f"check {number}", f"{number} us", "5 us", outcome)
        if error is not None:
            raise error

    return checks


def suite(**experiments: Experiment) -> Suite:
    return Suite("perf", experiments, COLUMNS)


@pytest.mark.parametrize(
    ("tested", "exit_code"),
    [
        (experiment(True, None), 0),
        (experiment(True, False), 1),
        (experiment(error=ExperimentError("the server did not start")), 1),
        (experiment(error=StackError("nginx cannot be had")), 3),
        (experiment(error=KeyboardInterrupt()), 130),
    ],
)
def test_exit_codes(tested: Experiment, exit_code: int) -> None:
    assert run(suite(good=experiment(True), tested=tested), []) == exit_code


def test_an_unknown_name_is_refused_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(suite(good=experiment(True), bad=experiment(False)), ["good", "typo"]) == 2
    assert capsys.readouterr().err == "perf: 'typo' is none of good, bad\n"


def test_only_the_experiments_named_are_run() -> None:
    assert run(suite(good=experiment(True), bad=experiment(False)), ["good"]) == 0


def test_a_table_has_a_row_for_each_check(capsys: pytest.CaptureFixture[str]) -> None:
    run(suite(reading=experiment(True, False, None)), [])
    output = capsys.readouterr().out
    assert output.startswith("reading: Doubles of a check. (0 s)")
    rows = [line for line in output.splitlines() if "check " in line and "5 us" in line]
    assert [row.split()[-2] for row in rows] == ["pass", "FAIL", "measured"]


def test_an_experiment_that_cannot_be_done_does_not_stop_the_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken = experiment(True, error=ExperimentError("the server did not start"))
    assert run(suite(broken=broken, good=experiment(True)), []) == 1
    output = capsys.readouterr().out
    assert output.startswith("broken: FAIL: the server did not start\n")
    assert "check 0" in output
