"""`windtunnel report RUN` and `compare A [B]`: pure functions over the files of runs, printed.

A report goes to the terminal and to HTML, a comparison to the terminal; both also to JSON.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
from rich.console import Console

from windtunnel.analysis.analyse import Analysis, analyse
from windtunnel.analysis.compare import compare as compare_runs
from windtunnel.analysis.slo import parse
from windtunnel.analysis.summary import Summary
from windtunnel.analysis.verdicts import has_failed, judge, judge_regressions
from windtunnel.recording import series, tuning_results
from windtunnel.recording.results import RUN_FILE, ResultsError, load, write_atomically
from windtunnel.reports import comparison, html, terminal, tuning

RESULTS = Path("results")
HTML_FILE = "report.html"
LATEST = "latest"
PIPED_WIDTH = 140


def report(run: str | Path, json: bool = False) -> Summary:
    """Print the report of a run, given as a folder or its name under `results/`, and return it.

    Writes `report.html` beside it; with `json` prints a `Summary` as JSON and writes nothing.
    Raises ResultsError, its message one line for the user, if there is no such run.
    """
    folder = find(run)
    analysis = _analysis(folder)
    if json:
        text = msgspec.json.format(msgspec.json.encode(analysis.summary), indent=2)
        sys.stdout.write(text.decode() + "\n")
        return analysis.summary
    page = _write(folder, analysis)  # first: a reader of the terminal's output may stop reading
    output = console()
    if analysis.summary.tuned is not None:
        tuning.show(analysis.summary.tuned, output)
    terminal.show(analysis.summary, output)
    output.print(f"Full report: {page}", soft_wrap=True, markup=False)
    return analysis.summary


def write(folder: Path) -> Path:
    """Write `report.html` of a run and return where; raises ResultsError."""
    return _write(folder, _analysis(folder))


def _write(folder: Path, analysis: Analysis) -> Path:
    page = folder / HTML_FILE
    try:
        write_atomically(page, html.render(analysis).encode())
    except OSError as error:
        raise ResultsError(f"cannot write {page}: {error.strerror}") from error
    return page


def _analysis(folder: Path) -> Analysis:
    run = load(folder)
    try:
        sampled = list(series.samples(folder, run.damaged))
        seconds = list(series.seconds(folder, run.damaged))
    except OSError as error:
        raise ResultsError(f"cannot read {error.filename}: {error.strerror}") from error
    analysis = analyse(run, sampled, seconds)
    tuned = tuning_results.load(folder)
    if tuned is None:
        return analysis
    summary = msgspec.structs.replace(analysis.summary, tuned=tuned)
    return replace(analysis, summary=summary)


def find(run: str | Path) -> Path:
    """The folder of a run: a path, a name under `results/`, `latest`. Raises ResultsError."""
    names = [path.parent.name for path in RESULTS.glob(f"*/{RUN_FILE}")]
    path = Path(max(names) if run == LATEST and names else run)
    folders = [path.parent if path.name == RUN_FILE else path, RESULTS / path]
    for folder in folders:
        if (folder / RUN_FILE).is_file():
            return folder
    hint = f"the newest is {max(names)}" if names else "there is none yet: windtunnel run crud"
    raise ResultsError(f"no run {str(run)!r} here or under {RESULTS}/; {hint}")


def console() -> Console:
    """A console as wide as the terminal, or as a file is read."""
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return Console(highlight=False)
    return Console(highlight=False, width=PIPED_WIDTH)


def compare(first: str, second: str | None, slos: Sequence[str], *, json: bool) -> bool:
    """Print the comparison; return whether an objective failed.

    Objectives other than a regression are judged on the second. With `json` prints a
    `windtunnel.analysis.summary.ComparisonSummary`. Raises SloError, VariantsError, ResultsError.
    """
    objectives = [parse(text) for text in slos]
    runs = [load(find(name)) for name in (first, second) if name is not None]
    compared = compare_runs(*runs)
    verdicts = [*judge_regressions(objectives, compared, runs), *judge(objectives, runs[-1])]
    compared = msgspec.structs.replace(compared, verdicts=verdicts)
    if json:
        text = msgspec.json.format(msgspec.json.encode(compared), indent=2)
        sys.stdout.write(text.decode() + "\n")
    else:
        comparison.show(compared, console())
    return has_failed(verdicts)
