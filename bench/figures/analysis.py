"""A run becomes its summary: every table, the answers in words, and what to be careful about."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from bench.disk.results import Cell, Run
from bench.disk.streams import SampledRequest, Second
from bench.figures.capacity import capacities
from bench.figures.caveats import caveats
from bench.figures.compare import compare, variants
from bench.figures.conduct import conduct
from bench.figures.contenders import contenders, named, ranked
from bench.figures.cuts import steady
from bench.figures.incomplete import incomplete
from bench.figures.parts import parts
from bench.figures.slo import Slo, SloError, parse
from bench.figures.summary import ALONE, DoubtfulCell, Load, Summary, Table
from bench.figures.tables import tables
from bench.figures.timeline import timelines
from bench.figures.verdicts import judge_regression, judged
from bench.figures.views import View, views
from bench.figures.wording import answer, counted

VARYING = ("processes", "target", "variant")


@dataclass(frozen=True)
class Analysis:
    """The summary of a run; for the charts the views it was made from, and what went on when."""

    summary: Summary
    views: dict[str, View]
    timelines: list[dict[str, Any]]


def analyse(
    run: Run, sampled: Iterable[SampledRequest] = (), seconds: Iterable[Second] = ()
) -> Analysis:
    """Everything that a report says, from the files of a run alone; the same answer every time."""
    if ranked(run):
        run, sampled = contenders(run), named(sampled)
    damaged = list(run.damaged)
    titled = _titled(run, damaged)
    made = list(_tables(run, titled))
    compared = compare(run) if len(variants(run)) == 2 else None
    slos = list(_objectives(run, damaged))
    verdicts = [
        *judged(slos, list(titled.values()), run),
        *judge_regression(slos, compared, [run]),
    ]
    summary = Summary(
        **_facts(run),
        answers=[table.answer for table in made],
        tables=made,
        conduct=[each for title, view in titled.items() for each in conduct(view, title)],
        parts=parts(sampled, run.cells, steady=steady(run)),
        incomplete=list(incomplete(run.partial)),
        verdicts=verdicts,
        capacities=capacities(verdicts),
        compared=compared,
        unmeasured=_unmeasured(run),
        doubtful=list(_doubts(run)),
        caveats=list(caveats(run, damaged)),
    )
    drawn = msgspec.structs.replace(run, cells=list(named(run.cells)))
    return Analysis(summary, titled, timelines(drawn, named(seconds)))


def _titled(run: Run, damaged: list[str]) -> dict[str, View]:
    several = _several(run.cells)
    return {_title(view, several): view for view in views(run.cells, damaged, run.info.stores)}


def _tables(run: Run, titled: Mapping[str, View]) -> Iterator[Table]:
    for title, view in titled.items():
        for table in tables(view, title, run.info.stores):
            yield msgspec.structs.replace(table, answer=answer(table))


def _facts(run: Run) -> dict[str, Any]:
    """What `run.json` says, and how much there is of it."""
    copied = ("scenario", "started", "finished", "seed", "stores", "skipped", "host", "git")
    return {
        **{name: getattr(run.info, name) for name in (*copied, "settings")},
        "run": run.path.name,
        "rounds": len({cell.round for cell in run.cells}),
        "cells": len(run.cells),
    }


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


def _doubts(run: Run) -> Iterator[DoubtfulCell]:
    yield from (_doubtful(cell) for cell in run.cells if cell.void or cell.flags)
    yield from map(_unfinished, run.partial)


def _doubtful(cell: Cell) -> DoubtfulCell:
    return DoubtfulCell(
        store=cell.store,
        mix=cell.mix,
        round=cell.round,
        users=cell.users,
        rate=cell.rate,
        slow_rate=cell.slow_rate,
        processes=cell.processes,
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
    wholly = run.info.skipped.keys() - run.info.stores.keys()
    return {
        store: f"all {len(voids[store])} cells void: {voids[store][0]}" if voids[store] else ended
        for store in known
        if all(voids[store]) and store not in wholly
    }
