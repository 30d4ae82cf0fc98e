"""A run becomes its summary: every table, the answers in words, and what to be careful about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from windtunnel.analysis.breakdown import parts
from windtunnel.analysis.capacity import capacities
from windtunnel.analysis.caveats import caveats
from windtunnel.analysis.charts import timelines
from windtunnel.analysis.compare import compare, variants
from windtunnel.analysis.grouping import (
    StoreView,
    View,
    attributed,
    contenders,
    is_generator_limited,
    label,
    named,
    ranked,
    steady,
    views,
)
from windtunnel.analysis.ranking import tables
from windtunnel.analysis.slo import Slo, SloError, parse
from windtunnel.analysis.summary import (
    ALONE,
    Conduct,
    DoubtfulCell,
    Incomplete,
    Summary,
    Table,
    TableLoad,
)
from windtunnel.analysis.verdicts import judge_regressions, judged
from windtunnel.analysis.wording import answer, counted
from windtunnel.recording.results import OK, Cell, LatencySummary, OperationResult, Run
from windtunnel.recording.streams import SampledRequest, Second

# Whether the load came as intended: what was late, skipped, failed, stale or sent once more.


def conduct(view: View, title: str) -> Iterator[Conduct]:
    """A line for each store of a view for whose cells something was counted."""
    for store, seen in view.stores.items():
        if any(cell.intended is not None or cell.stale or cell.retried for cell in seen.cells):
            yield _conduct(store, title, seen)


def _conduct(store: str, title: str, seen: StoreView) -> Conduct:
    outcomes = [result for cell in seen.cells for result in cell.operations]
    total = sum(result.count for result in outcomes)
    right = sum(result.count for result in outcomes if result.outcome == OK)
    intended, skipped = (
        _sum(seen.cells, lambda cell: cell.intended),
        _sum(seen.cells, lambda cell: cell.skipped),
    )
    known = intended is not None and skipped is not None
    lags = [cell.health.get("schedule_lag_p99_ms") for cell in seen.cells]
    return Conduct(
        store=store,
        title=title,
        intended=intended,
        answered=right,
        failed=total - right,
        late=_sum(seen.cells, lambda cell: cell.late),
        skipped=skipped,
        unanswered=max(0, (intended or 0) - (skipped or 0) - total) if known else None,
        stale=_sum(seen.cells, lambda cell: cell.stale),
        retried=_sum(seen.cells, lambda cell: cell.retried),
        schedule_lag_p99_ms=max((lag for lag in lags if lag is not None), default=None),
        bound=any(map(is_generator_limited, seen.cells)),
    )


def _sum(cells: list[Cell], count: Callable[[Cell], int | None]) -> int | None:
    known = [number for cell in cells if (number := count(cell)) is not None]
    return sum(known) if known else None


# What was seen of cells that were never finished, as a killed run leaves them: never ranked.


def incomplete(partial: Iterable[Cell]) -> Iterator[Incomplete]:
    """A line for each operation of each cell, in the order of writing."""
    for cell in map(attributed, partial):
        found: dict[str, list[OperationResult]] = defaultdict(list)
        for result in cell.operations:
            found[label(result.operation, result.pool)].append(result)
        for operation, results in found.items():
            yield _incomplete(cell, operation, results)


def _incomplete(cell: Cell, operation: str, results: Sequence[OperationResult]) -> Incomplete:
    counts = {result.outcome: result.count for result in results}
    right = next((result for result in results if result.outcome == OK), None)
    return Incomplete(
        store=cell.subject,
        mix=cell.mix or "",
        variant=cell.variant,
        round=cell.round,
        processes=cell.processes,
        users=cell.users,
        rate=cell.rate,
        slow_rate=cell.slow_rate,
        seconds=cell.seconds,
        operation=operation,
        count=counts.get(OK, 0),
        failed=sum(counts.values()) - counts.get(OK, 0),
        throughput_rps=round(counts.get(OK, 0) / cell.seconds, 3) if cell.seconds else 0.0,
        service_us=_shown(right.service_us if right else None),
        response_us=_shown(right.response_us if right else None),
    )


def _shown(times: LatencySummary | None) -> dict[str, float | None]:
    return {} if times is None else {"p50": times.p50, "p99": times.p99}


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
        *judge_regressions(slos, compared, [run]),
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


def _extra(load: TableLoad, name: str) -> str:
    if name == "processes":
        return counted(load.processes, "process")
    return f"{name} {getattr(load, name) or 'none'}"


def _doubts(run: Run) -> Iterator[DoubtfulCell]:
    yield from (_doubtful(cell) for cell in run.cells if cell.void or cell.flags)
    yield from map(_unfinished, run.partial)


def _doubtful(cell: Cell) -> DoubtfulCell:
    return DoubtfulCell(
        store=cell.subject,
        mix=cell.mix or "",
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
        voids[cell.subject].append(cell.void or "")
    known = dict.fromkeys([*run.info.stores, *voids])
    ended = "no cell was finished"
    wholly = run.info.skipped.keys() - run.info.stores.keys()
    return {
        store: f"all {len(voids[store])} cells void: {voids[store][0]}" if voids[store] else ended
        for store in known
        if all(voids[store]) and store not in wholly
    }
