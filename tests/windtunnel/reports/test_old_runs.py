"""Runs of an older version are read, and say now what they said then.

`tests/fixtures` has two of revision 2757198, and what `report --json` and `compare --json` of that
revision printed of them. Figures stay; a text may have become another, and is then in `WORDS`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from windtunnel.recording import results, series, tuning_results
from windtunnel.recording.conditions import NAMES
from windtunnel.reports import report, tuning

FIXTURES = Path(__file__).parents[2] / "fixtures"

WORDS: dict[str, str] = {
    "cannot tell": "inconclusive",
    "Kept but flagged, ": "Flagged, included: ",
    ": cells of 9 s, or 100 rounds, have these": ": measure cells of 9 s, or 100 rounds",
    "requests/s beside 8/s slow": "requests/s + 8/s slow",
    "from the moment that a request was intended for, service time from its sending": (
        "from the scheduled start, service time from the actual send"
    ),
}
"""What was said then, and is said now."""

ADDED = {*NAMES, "stream"}
"""Keys that a report may have and had not then: conditions, and the stream of a comparison."""


def then(name: str) -> Any:
    """What was printed then, in the words of now."""
    text = (FIXTURES / name).read_text()
    for old, new in WORDS.items():
        text = text.replace(old, new)
    return json.loads(text)


def without_added(now: Any, printed: Any) -> Any:
    """What is printed now, without the keys that were added."""
    if isinstance(now, dict) and isinstance(printed, dict):
        return {
            key: without_added(value, printed.get(key))
            for key, value in now.items()
            if key in printed or key not in ADDED
        }
    if isinstance(now, list) and isinstance(printed, list) and len(now) == len(printed):
        return list(map(without_added, now, printed))
    return now


def test_no_word_is_listed_that_nothing_said() -> None:
    texts = [path.read_text() for path in FIXTURES.glob("*.json")]
    assert [old for old in WORDS if not any(old in text for text in texts)] == []


def has(row: Any, written: Any) -> bool:
    """Whether all that was written is in what was read, which may have more fields."""
    if isinstance(written, dict):
        return all(has(row[name], value) for name, value in written.items())
    if isinstance(written, list):
        return all(map(has, row, written)) and len(row) == len(written)
    return bool(row == written)


def copied(name: str, tmp_path: Path) -> Path:
    """A copy of a run, as its report is written beside it."""
    return Path(shutil.copytree(FIXTURES / name, tmp_path / name))


@pytest.mark.parametrize("name", ["old-run", "old-tune"])
def test_a_report_says_what_it_said(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report.report(copied(name, tmp_path), json=True)
    printed = then(f"{name}.report.json")
    assert without_added(json.loads(capsys.readouterr().out), printed) == printed


def test_a_comparison_says_what_it_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report.compare(str(copied("old-run", tmp_path)), None, [], json=True)
    printed = then("old-run.compare.json")
    assert without_added(json.loads(capsys.readouterr().out), printed) == printed


@pytest.mark.parametrize("name", ["old-run", "old-tune"])
def test_every_line_is_read(name: str) -> None:
    folder = FIXTURES / name
    run = results.load(folder)
    lines: dict[str, Sequence[msgspec.Struct]] = {
        results.CELLS_FILE: run.cells,
        series.SERIES_FILE: list(series.seconds(folder, run.damaged)),
        series.SAMPLES_FILE: list(series.samples(folder, run.damaged)),
    }
    assert not run.damaged
    for file, rows in lines.items():
        path = folder / file
        written = path.read_bytes().splitlines() if path.exists() else []
        for line, row in zip(written, rows, strict=True):
            assert has(msgspec.to_builtins(row), msgspec.json.decode(line))


def test_what_a_tuner_concluded_is_read() -> None:
    result = tuning_results.load(FIXTURES / "old-tune")
    assert result is not None
    file = FIXTURES / "old-tune" / tuning_results.TUNE_FILE
    assert msgspec.to_builtins(result) == msgspec.json.decode(file.read_bytes())
    assert result.recommended == "2+2"
    assert next(tuning.lines(result)).startswith("Recommended: 2+2")
