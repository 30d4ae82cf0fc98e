"""What a reader should know before believing a run: its doubts, its load, its machine."""

from collections import Counter
from collections.abc import Iterator
from statistics import median

from windtunnel.analysis.grouping import is_generator_limited
from windtunnel.analysis.stats import MIN_ROUNDS
from windtunnel.analysis.wording import BOUNDS, counted
from windtunnel.recording.results import Cell, Run


def caveats(run: Run, damaged: list[str]) -> Iterator[str]:
    """A sentence for each; `damaged` are those of files that could not be read whole."""
    if run.info.finished is None:
        yield "The run did not finish: only what was measured until then is here."
    yield from damaged
    rounds = len({cell.round for cell in run.cells if cell.void is None})
    if run.cells and rounds < MIN_ROUNDS:
        yield f"{counted(rounds, 'clean round')}, {MIN_ROUNDS} needed: no intervals and no places."
    yield from _load_caveats([cell for cell in run.cells if cell.void is None])
    yield from _host_caveats(run)
    yield from _cell_caveats(run.cells)
    yield from _skipped_caveats(run)


def _skipped_caveats(run: Run) -> Iterator[str]:
    spared = run.info.skipped.keys() & run.info.stores.keys()
    if wholly := len(run.info.skipped) - len(spared):
        yield f"{counted(wholly, 'store')} skipped, see the reasons below."
    if spared:
        yield f"{counted(len(spared), 'store')} spared some of the loads, see the reasons below."


def _load_caveats(clean: list[Cell]) -> Iterator[str]:
    if any(map(is_generator_limited, clean)):
        yield (
            "Where the generator was the limit (above 85 % of a core, or its schedule late by more "
            "than 2 ms at p99), a store may be better than its figures: they are bounds, with "
            f"{BOUNDS['at most']} or {BOUNDS['at least']} before them."
        )
    if any(cell.rate is not None for cell in clean):
        yield (
            "Open load: requests come on schedule, whatever the answers do. Response time counts "
            "from the moment that a request was intended for, service time from its sending; the "
            "ranking that counts is by response time at a common rate."
        )
    if any(cell.rate is None for cell in clean):
        users = sorted({cell.users for cell in clean if cell.users is not None})
        noun = "user" if users == [1] else "users"
        yield (
            f"Closed load ({', '.join(map(str, users))} {noun}): a user sends only after its last "
            "answer came, so these are service times, without the wait that a stall would cause "
            "to requests which arrive by themselves."
        )


def _host_caveats(run: Run) -> Iterator[str]:
    host = run.info.host
    cores, cpu = host.get("cores"), host.get("cpu")
    if cores:
        machine = f"{counted(cores, 'core')}{f' ({cpu})' if cpu else ''}"
        apart = bool(run.info.settings.get("host"))
        what = (
            "the generator; the server was one that ran already"
            if apart
            else "all: load, server, databases"
        )
        yield f"One machine with {machine} ran {what}."
    seen = (cell.health.get("steal") for cell in run.cells)
    steal = [float(share) for share in seen if isinstance(share, int | float)]
    if steal:
        yield (
            f"Steal: median {median(steal):.1%} of CPU time in a cell, at most {max(steal):.1%}."
        )
    if run.info.git.get("dirty"):
        yield "The code had uncommitted changes when it was measured."


def _cell_caveats(cells: list[Cell]) -> Iterator[str]:
    void = sum(cell.void is not None for cell in cells)
    if void:
        yield f"Void and left out: {void} of {counted(len(cells), 'cell')}."
    flags = Counter(flag for cell in cells if cell.void is None for flag in cell.flags)
    for flag, count in flags.most_common():
        yield f"Kept but flagged, {count} of {counted(len(cells), 'cell')}: {flag}."
