"""`python -m validation`, as `make truth` starts it."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.processes import ROOT


def truth(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "validation", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_four_processes_are_merged_exactly() -> None:
    process = truth("merge", "--quick")
    assert process.returncode == 0, process.stdout
    assert process.stdout.count("pass") == 2


def test_an_unknown_experiment_is_named() -> None:
    process = truth("nonsense")
    assert process.returncode == 2
    assert process.stderr.startswith("truth: 'nonsense' is none of stall, ")
    assert process.stderr.rstrip().endswith("merge, --quick")
