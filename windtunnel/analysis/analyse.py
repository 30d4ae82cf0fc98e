"""A run becomes its summary: every table, the answers in words, and what to be careful about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec

from windtunnel.analysis.accounting import accountings
from windtunnel.analysis.answers import answer
from windtunnel.analysis.breakdown import breakdown
from windtunnel.analysis.capacity import capacities
from windtunnel.analysis.caveats import (
    caveats,
    doubtful_cells,
    incomplete_operations,
    unmeasured_stores,
)
from windtunnel.analysis.compare import compare, variants
from windtunnel.analysis.grouping import Group, group_cells
from windtunnel.analysis.keys import ALONE, has_ranked_variants, ledgers_by_key, rendered
from windtunnel.analysis.ranking import tables
from windtunnel.analysis.slo import Slo, SloError, parse
from windtunnel.analysis.summary import Parts, Summary, Table
from windtunnel.analysis.timelines import timelines
from windtunnel.analysis.validity import has_steady_load
from windtunnel.analysis.verdicts import judge_groups, judge_regressions
from windtunnel.analysis.wording import counted
from windtunnel.recording.conditions import LoadConditions
from windtunnel.recording.results import Run
from windtunnel.recording.series import SampledRequest, Second

TITLED = ("mix", "users", "rate", "slow_rate")
"""The conditions that every title says; of the others it says those that differ in the run."""


@dataclass(frozen=True)
class TitledGroup:
    """A group of stores with its title, and the title without its variant."""

    group: Group
    title: str
    title_of_variants: str


@dataclass(frozen=True)
class Analysis:
    """The summary of a run; for the charts the groups it was made from, and their timelines."""

    summary: Summary
    groups: list[TitledGroup]
    timelines: list[dict[str, Any]]


def analyse(
    run: Run, sampled: Iterable[SampledRequest] = (), seconds: Iterable[Second] = ()
) -> Analysis:
    """Everything that a report says, from the files of a run alone; the same answer every time."""
    damaged = list(run.damaged)
    titled = _titled_groups(run, damaged)
    by_variant, ledgers = has_ranked_variants(run), ledgers_by_key(run)
    all_tables = list(_tables(run, titled))
    compared = compare(run) if not by_variant and len(variants(run)) == 2 else None
    slos = list(_objectives(run, damaged))
    verdicts = [
        *judge_groups(slos, [entry.group for entry in titled], run),
        *judge_regressions(slos, compared, [run]),
    ]
    summary = Summary(
        **_facts(run),
        stores={str(store): ledger for store, ledger in ledgers.items()},
        answers=[table.answer for table in all_tables],
        tables=all_tables,
        conduct=[row for entry in titled for row in accountings(entry.group, entry.title)],
        parts=_parts(run, sampled),
        incomplete=rendered(incomplete_operations(run), by_variant=by_variant),
        verdicts=verdicts,
        capacities=capacities(verdicts),
        compared=compared,
        unmeasured=unmeasured_stores(run),
        doubtful=rendered(doubtful_cells(run), by_variant=by_variant),
        caveats=list(caveats(run, damaged)),
    )
    return Analysis(summary, titled, timelines(run, seconds))


def _titled_groups(run: Run, damaged: list[str]) -> list[TitledGroup]:
    groups = group_cells(run, damaged)
    names = _differing(run)
    without_variant = [name for name in names if name != "variant"]
    return [
        TitledGroup(group, _title(group, names), _title(group, without_variant)) for group in groups
    ]


def _differing(run: Run) -> list[str]:
    """The conditions in which cells differ, and `target`, without those that titles always say."""
    names = {field.name for field in msgspec.structs.fields(LoadConditions)} - {*TITLED}
    if has_ranked_variants(run):
        names.discard("variant")
    return [
        name
        for name in sorted({*names, "target"})
        if len({getattr(cell, name) for cell in run.cells}) > 1
    ]


def _title(group: Group, differing: Sequence[str]) -> str:
    load = group.load
    mix = ALONE if load.mix == ALONE else f"{load.mix} mix"
    conditions = [_condition(name, getattr(load, name)) for name in differing]
    return "; ".join([f"{group.durability} durability", mix, load.kind, *conditions])


def _condition(name: str, value: Any) -> str:
    if name == "processes":
        return counted(value, "process")
    return f"{name} {value or 'none'}"


def _tables(run: Run, titled: Sequence[TitledGroup]) -> Iterator[Table]:
    ledgers = ledgers_by_key(run)
    for entry in titled:
        for table in tables(entry.group, entry.title, ledgers):
            yield msgspec.structs.replace(table, answer=str(answer(table)))


def _parts(run: Run, sampled: Iterable[SampledRequest]) -> list[Parts]:
    rows = breakdown(sampled, run.cells, steady=has_steady_load(run))
    by_variant = has_ranked_variants(run)
    return sorted(rendered(rows, by_variant=by_variant), key=attrgetter("store"))


def _facts(run: Run) -> Mapping[str, Any]:
    """What `run.json` says, and how much there is of it."""
    names = ("scenario", "started", "finished", "seed", "skipped", "host", "git", "settings")
    return {
        **{name: getattr(run.info, name) for name in names},
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
