"""`windtunnel compare A [B]`: a pure function over the files of one run or two, printed."""

import sys
from collections.abc import Sequence

import msgspec

from bench.disk.results import load
from bench.figures import compare as comparison
from bench.figures.slo import parse
from bench.figures.verdicts import failed, judge, judge_regression
from bench.reports import compare_text
from bench.reports.report import console, find


def compare(first: str, second: str | None, slos: Sequence[str], *, json: bool) -> bool:
    """Print the comparison; return whether an objective failed.

    Objectives other than a regression are asked of the second. With `json` prints a
    `bench.figures.summary.Compared`. Raises SloError, VariantsError and ResultsError.
    """
    objectives = [parse(text) for text in slos]
    runs = [load(find(name)) for name in (first, second) if name is not None]
    compared = comparison.compare(*runs)
    verdicts = [*judge_regression(objectives, compared, runs), *judge(objectives, runs[-1])]
    compared = msgspec.structs.replace(compared, verdicts=verdicts)
    if json:
        text = msgspec.json.format(msgspec.json.encode(compared), indent=2)
        sys.stdout.write(text.decode() + "\n")
    else:
        compare_text.show(compared, console())
    return failed(verdicts)
