"""`python -m validation [--quick] [EXPERIMENT]...`: exits 1 where a figure is not the truth."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic

from rich.console import Console
from rich.table import Table

from validation import fault_shapes, injected_delay, million_samples, pairs, poisson, tuner
from validation.verdict import ExperimentError, Verdict

EXPERIMENTS: Mapping[str, Callable[[bool], Iterator[Verdict]]] = {
    "stall": fault_shapes.stall,
    "short": fault_shapes.short,
    "humps": fault_shapes.humps,
    "ramp": fault_shapes.ramp,
    "poisson": poisson.poisson,
    "injected": injected_delay.injected,
    "aa": pairs.aa,
    "ab": pairs.ab,
    "tuner": tuner.tuner,
    "samples": million_samples.samples,
    "merge": million_samples.merging,
}
"""A new experiment is such a function, and a line here; `True` asks for a quick one."""

COLUMNS = ("what", "truth", "found", "bound", "", "beside")
MARKS = {True: "[green]pass[/]", False: "[red]FAIL[/]"}
WIDTH = 120
QUICK = "--quick"


def main(arguments: Sequence[str]) -> int:
    """Do the experiments named, or all; return 0, 1 where one fails, 2 for a wrong argument."""
    quick, names = QUICK in arguments, [name for name in arguments if name != QUICK]
    if unknown := [name for name in names if name not in EXPERIMENTS]:
        known = ", ".join(EXPERIMENTS)
        print(f"truth: {unknown[0]!r} is none of {known}, {QUICK}", file=sys.stderr)
        return 2
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    verdicts = [done(name, quick=quick, console=console) for name in names or EXPERIMENTS]
    return 0 if all(verdicts) else 1


def done(name: str, *, quick: bool, console: Console) -> bool:
    """Do an experiment and print what came of it; return whether all of it passed."""
    began = monotonic()
    table = Table(*COLUMNS, title_justify="left")
    passed = True
    try:
        with console.status(f"{name} ..."):
            for verdict in EXPERIMENTS[name](quick):
                passed &= verdict.passed
                table.add_row(*_row(verdict))
    except ExperimentError as error:
        console.print(f"{name}: [red]FAIL[/]: {error}", soft_wrap=True)
        return False
    table.title = (
        f"{name}: {(EXPERIMENTS[name].__doc__ or '').strip()} ({monotonic() - began:.0f} s)"
    )
    console.print(table)
    return passed


def _row(verdict: Verdict) -> tuple[str, ...]:
    mark = MARKS[verdict.passed]
    return verdict.name, verdict.truth, verdict.found, verdict.bound, mark, verdict.beside


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
