"""`windtunnel report RUN`: a pure function over the files of a run, to the terminal and to HTML."""

import os
import sys
from pathlib import Path

import msgspec
from rich.console import Console

from bench import report_html, report_text, streams
from bench.analysis import Analysis, analyse
from bench.results import RUN_FILE, ResultsError, load, write_atomically
from bench.summary import Summary

RESULTS = Path("results")
HTML_FILE = "report.html"
LATEST = "latest"
PIPED_WIDTH = 140


def report(run: str | Path, json: bool = False) -> Summary:
    """Print the report of a run, given as a folder or its name under `results/`, and return it.

    Writes `report.html` beside it; with `json` prints a `bench.summary.Summary` as JSON and writes
    nothing. Raises ResultsError, its message one line for the user, if there is no such run.
    """
    folder = find(run)
    analysis = _analysed(folder)
    if json:
        text = msgspec.json.format(msgspec.json.encode(analysis.summary), indent=2)
        sys.stdout.write(text.decode() + "\n")
        return analysis.summary
    page = folder / HTML_FILE
    try:  # first, as a reader of the terminal's output may stop reading
        write_atomically(page, report_html.render(analysis).encode())
    except OSError as error:
        raise ResultsError(f"cannot write {page}: {error.strerror}") from error
    terminal = console()
    report_text.show(analysis.summary, terminal)
    terminal.print(f"Full report: {page}", soft_wrap=True, markup=False)
    return analysis.summary


def _analysed(folder: Path) -> Analysis:
    run = load(folder)
    try:
        sampled = list(streams.samples(folder, run.damaged))
        seconds = list(streams.series(folder, run.damaged))
    except OSError as error:
        raise ResultsError(f"cannot read {error.filename}: {error.strerror}") from error
    return analyse(run, sampled, seconds)


def find(run: str | Path) -> Path:
    """The folder of a run: a path, a name under `results/`, `latest`. Raises ResultsError."""
    made = [path.parent.name for path in RESULTS.glob(f"*/{RUN_FILE}")]
    named = Path(max(made) if run == LATEST and made else run)
    places = [named.parent if named.name == RUN_FILE else named, RESULTS / named]
    for place in places:
        if (place / RUN_FILE).is_file():
            return place
    hint = f"the newest is {max(made)}" if made else "there is none yet: windtunnel run crud"
    raise ResultsError(f"no run {str(run)!r} here or under {RESULTS}/; {hint}")


def console() -> Console:
    """A console as wide as the terminal, or as a file is read."""
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return Console(highlight=False)
    return Console(highlight=False, width=PIPED_WIDTH)
