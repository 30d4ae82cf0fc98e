"""`windtunnel run` is measured as it is typed."""

from __future__ import annotations

import pytest

from benchmarks.harness import ExperimentError
from validation.measurement import measure


def test_a_run_that_fails_is_an_error_of_one_line() -> None:
    with pytest.raises(ExperimentError, match=r"^windtunnel run: "):
        measure("http://127.0.0.1:9", "--rate", "10")
