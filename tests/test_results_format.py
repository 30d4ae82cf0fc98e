"""docs/results-format.md describes every field of what a run leaves on disk."""

from __future__ import annotations

import re

import msgspec
import pytest

from tests.pages import TEXTS
from windtunnel.recording import environment, results, series, tuning_results

PAGE = TEXTS["results-format.md"]

STRUCTS = {
    "run.json": results.RunInfo,
    "ledger": results.Ledger,
    "cells.jsonl": results.Cell,
    "Results of an operation": results.OperationResult,
    "Latencies": results.LatencySummary,
    "Bystander": results.BystanderResult,
    "CPU time": results.CpuSeconds,
    "Streams": results.StreamResult,
    "series.jsonl": series.Second,
    "Results of a second": series.OperationSecond,
    "Latencies in a second": series.SecondLatencies,
    "samples.jsonl": series.SampledRequest,
    "tune.json": tuning_results.TuningResult,
    "A split that was tried": tuning_results.SplitResult,
    "An SLO of a split": tuning_results.ObjectiveResult,
    "A kind of work": tuning_results.WorkProfile,
    "An estimate": tuning_results.Estimate,
}
"""What each section of the page describes, by its heading."""

FIELDS = {
    **{heading: set(struct.__struct_encode_fields__) for heading, struct in STRUCTS.items()},
    "host": set(environment.gather()),
}


@pytest.mark.parametrize("heading", FIELDS)
def test_a_section_describes_the_fields_that_are_written(heading: str) -> None:
    section = PAGE.split(f"# {heading}\n")[1].split("\n#")[0]
    columns = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    assert set(re.findall(r"`([^`]+)`", " ".join(columns))) == FIELDS[heading]


def test_every_part_of_a_file_has_a_section() -> None:
    roots = (
        results.RunInfo,
        results.Cell,
        series.Second,
        series.SampledRequest,
        tuning_results.TuningResult,
    )
    _, definitions = msgspec.json.schema_components(roots)
    assert set(definitions) == {struct.__name__ for struct in STRUCTS.values()}
