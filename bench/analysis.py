"""A run becomes its summary: every table, the answers in words, and what to be careful about."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median

import msgspec

from bench.capacity import capacities
from bench.compare import compare, variants
from bench.conduct import conduct
from bench.contenders import contenders, named, ranked
from bench.parts import parts
from bench.results import Cell, Run
from bench.slo import Slo, SloError, parse
from bench.stats import MIN_ROUNDS
from bench.streams import SampledRequest
from bench.summary import ALONE, DoubtfulCell, Load, Summary
from bench.tables import tables
from bench.verdicts import judge, judge_regression
from bench.views import View, generator_limited, views
from bench.wording import BOUNDS, answer, counted

VARYING = ("processes", "target", "variant")


@dataclass(frozen=True)
class Analysis:
    """The summary of a run, with the views it was made from (the histograms, for the charts)."""

    summary: Summary
    views: dict[str, View]


def analyse(run: Run, sampled: Iterable[SampledRequest] = ()) -> Analysis:
    """Everything that a report says, from the files of a run alone; the same answer every time."""
    if ranked(run):
        run, sampled = contenders(run), named(sampled)
    damaged = list(run.damaged)
    found = views(run.cells, damaged, run.info.stores)
    several = _several(run.cells)
    titled = {_title(view, several): view for view in found}
    made = [
        msgspec.structs.replace(table, answer=answer(table))
        for title, view in titled.items()
        for table in tables(view, title, run.info.stores)
    ]
    info = run.info
    compared = compare(run) if len(variants(run)) == 2 else None
    slos = list(_objectives(run, damaged))
    verdicts = judge(slos, run)
    verdicts += judge_regression(slos, compared)
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
        conduct=[each for title, view in titled.items() for each in conduct(view, title)],
        parts=parts(sampled, run.cells),
        verdicts=verdicts,
        capacities=capacities(verdicts),
        compared=compared,
        stores=info.stores,
        skipped=info.skipped,
        unmeasured=_unmeasured(run),
        doubtful=[
            *(_doubtful(cell) for cell in run.cells if cell.void or cell.flags),
            *(_unfinished(cell) for cell in run.partial),
        ],
        host=info.host,
        git=info.git,
        settings=info.settings,
    )
    return Analysis(summary, titled)


def _objectives(run: Run, damaged: list[str]) -> Iterator[Slo]:
    for text in run.info.settings.get("slos") or ():
        try:
            yield parse(text)
        except SloError as error:
            damaged.append(str(error))


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
        rate=cell.rate,
        variant=cell.variant,
        flags=cell.flags,
        void=cell.void,
    )


def _unfinished(cell: Cell) -> DoubtfulCell:
    answers = counted(sum(result.count for result in cell.operations), "answer")
    why = f"incomplete cell: the run ended {cell.seconds:.0f} s into it, after {answers}"
    return msgspec.structs.replace(_doubtful(cell), void=why)


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
    yield from _load_caveats([cell for cell in run.cells if cell.void is None])
    yield from _host_caveats(run)
    yield from _cell_caveats(run.cells)
    if run.info.skipped:
        yield f"{counted(len(run.info.skipped), 'store')} skipped, see the reasons below."


def _load_caveats(clean: list[Cell]) -> Iterator[str]:
    if any(map(generator_limited, clean)):
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
