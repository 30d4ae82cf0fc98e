"""A run becomes its summary: every table, the answers in words, and what to be careful about."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

import msgspec

from bench.results import Cell, Run
from bench.stats import MIN_ROUNDS
from bench.summary import ALONE, DoubtfulCell, Load, Summary
from bench.tables import tables
from bench.views import View, views
from bench.wording import answer, counted

VARYING = ("processes", "target", "variant")


@dataclass(frozen=True)
class Analysis:
    """The summary of a run, with the views it was made from (the histograms, for the charts)."""

    summary: Summary
    views: dict[str, View]


def analyse(run: Run) -> Analysis:
    """Everything that a report says, from the files of a run alone; the same answer every time."""
    damaged = list(run.damaged)
    found = views(run.cells, damaged)
    several = _several(run.cells)
    titled = {_title(view, several): view for view in found}
    made = [
        msgspec.structs.replace(table, answer=answer(table))
        for title, view in titled.items()
        for table in tables(view, title, run.info.stores)
    ]
    info = run.info
    summary = Summary(
        run=run.path.name,
        scenario=info.scenario,
        started=info.started,
        finished=info.finished,
        seed=info.seed,
        rounds=len({cell.round for cell in run.cells}),
        cells=len(run.cells),
        answers=[table.answer for table in made],
        caveats=list(_caveats(run, damaged)),
        tables=made,
        stores=info.stores,
        skipped=info.skipped,
        unmeasured=_unmeasured(run),
        doubtful=[_doubtful(cell) for cell in run.cells if cell.void or cell.flags],
        host=info.host,
        git=info.git,
        settings=info.settings,
    )
    return Analysis(summary, titled)


def _several(cells: list[Cell]) -> set[str]:
    return {name for name in VARYING if len({getattr(cell, name) for cell in cells}) > 1}


def _title(view: View, several: set[str]) -> str:
    load = view.load
    mix = ALONE if load.mix == ALONE else f"{load.mix} mix"
    extra = [_extra(load, name) for name in VARYING if name in several]
    return "; ".join([f"{view.durability} durability", mix, load.kind, *extra])


def _extra(load: Load, name: str) -> str:
    if name == "processes":
        return counted(load.processes, "process")
    return f"{name} {getattr(load, name) or 'none'}"


def _doubtful(cell: Cell) -> DoubtfulCell:
    return DoubtfulCell(
        store=cell.store,
        mix=cell.mix,
        round=cell.round,
        users=cell.users,
        variant=cell.variant,
        flags=cell.flags,
        void=cell.void,
    )


def _unmeasured(run: Run) -> dict[str, str]:
    voids: dict[str, list[str]] = defaultdict(list)
    for cell in run.cells:
        voids[cell.store].append(cell.void or "")
    known = dict.fromkeys([*run.info.stores, *voids])
    ended = "no cell was finished"
    return {
        store: f"all {len(voids[store])} cells void: {voids[store][0]}" if voids[store] else ended
        for store in known
        if all(voids[store]) and store not in run.info.skipped
    }


def _caveats(run: Run, damaged: list[str]) -> Iterator[str]:
    if run.info.finished is None:
        yield "The run did not finish: only what was measured until then is here."
    yield from damaged
    rounds = len({cell.round for cell in run.cells if cell.void is None})
    if run.cells and rounds < MIN_ROUNDS:
        yield f"{counted(rounds, 'clean round')}, {MIN_ROUNDS} needed: no intervals and no places."
    yield from _load_caveats(run.cells)
    yield from _host_caveats(run)
    yield from _cell_caveats(run.cells)
    if run.info.skipped:
        yield f"{counted(len(run.info.skipped), 'store')} skipped, see the reasons below."


def _load_caveats(cells: list[Cell]) -> Iterator[str]:
    if any(cell.rate is None for cell in cells):
        users = sorted({cell.users for cell in cells if cell.users is not None})
        yield (
            f"Closed load ({', '.join(map(str, users))} users): a user sends only after its last "
            "answer came, so these are service times, without the wait that a stall would cause "
            "to requests which arrive by themselves."
        )


def _host_caveats(run: Run) -> Iterator[str]:
    host = run.info.host
    cores, cpu = host.get("cores"), host.get("cpu")
    if cores:
        machine = f"{counted(cores, 'core')}{f' ({cpu})' if cpu else ''}"
        apart = any(cell.target == "host" for cell in run.cells)
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
