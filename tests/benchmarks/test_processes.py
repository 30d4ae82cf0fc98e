"""Processes of an experiment end with it, and a failure is an error of one line."""

from __future__ import annotations

import socket
import subprocess

import pytest

from benchmarks.harness import ExperimentError
from benchmarks.processes import ROOT, module_process, run_module, server_process


def test_modules_run_in_the_project() -> None:
    assert (ROOT / "pyproject.toml").is_file()


def test_a_process_ends_with_the_experiment_that_fails() -> None:
    with pytest.raises(ExperimentError), server_process() as (_, port):
        raise ExperimentError("failed")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_module_that_fails_gives_its_last_line() -> None:
    with pytest.raises(ExperimentError, match=r"^windtunnel report: windtunnel: .*nowhere"):
        run_module("windtunnel", "report", "nowhere")


def test_a_process_that_has_ended_gives_no_line() -> None:
    with (
        module_process("benchmarks.fixed_load", stderr=subprocess.DEVNULL) as process,
        pytest.raises(ExperimentError, match=r"^benchmarks.fixed_load has ended"),
    ):
        process.read_line()
