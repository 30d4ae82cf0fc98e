"""Cells sorted into what may be compared: one load, one durability, clean cells by store."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import msgspec

from windtunnel.analysis.summary import ALONE, RESPONSE, SERVICE, TableLoad
from windtunnel.recording.conditions import LOAD, Conditions, Configuration
from windtunnel.recording.histogram import Histogram, decode, merge
from windtunnel.recording.limits import generator_limit
from windtunnel.recording.recorder import NO_POOL
from windtunnel.recording.results import (
    OK,
    Cell,
    LatencySummary,
    Ledger,
    OperationResult,
    Run,
    StreamResult,
)
from windtunnel.recording.streams import SampledRequest, Second

# What was intended and has no outcome: of a cell, of a stream of it, of each of its results.


def unanswered(cell: Cell) -> int:
    """How many intended requests of a cell have no outcome: skipped, or never answered."""
    if cell.intended is None:
        return 0
    return max(cell.skipped or 0, cell.intended - sum(each.count for each in cell.operations))


def shares(cell: Cell) -> Callable[[OperationResult], float]:
    """Return what tells the share of a result in what its cell, or its stream, lost."""
    told = [stream for stream in cell.streams.values() if stream.intended is not None]
    streams: Sequence[StreamResult | None] = told or [None]

    def share(stream: StreamResult | None, result: OperationResult) -> float:
        if stream is None:
            return unanswered(cell) * result.count / total(cell.operations)
        own = [each for each in cell.operations if each.operation in stream.operations]
        return unanswered_of(stream, own) * result.count / total(own) if result in own else 0.0

    return lambda result: sum(share(stream, result) for stream in streams)


def total(results: Iterable[OperationResult]) -> int:
    """How many requests these are, 1 at least."""
    return sum(result.count for result in results) or 1


def unanswered_of(stream: StreamResult, results: Iterable[OperationResult]) -> int:
    """How many intended requests of a stream have no outcome, as `unanswered` of a cell."""
    if stream.intended is None:
        return 0
    return max(stream.skipped or 0, stream.intended - sum(each.count for each in results))


OPERATIONS = ("create", "read", "update", "edit", "delete", "find", "summary", "sleep")
REFERENCE_ENGINE = "memory"


def durability_of(store: str) -> str:
    """The last part of a store's id."""
    return store.rsplit("/", 1)[-1]


def is_reference(store: str, ledgers: Mapping[str, Ledger]) -> bool:
    """Whether a store is the zero baseline, which is shown but takes no place.

    Its ledger says so; where an older server did not tell, the engine's name does.
    """
    told = ledgers[store].reference if store in ledgers else None
    return store.split("/", 1)[0] == REFERENCE_ENGINE if told is None else told


def is_generator_limited(cell: Cell) -> bool:
    """Whether the generator was the limit, so that the store may be better than its figures."""
    flagged = any("lower bound" in flag for flag in cell.flags)
    return flagged or generator_limit(cell.health) is not None


def is_mostly_limited(cells: Sequence[Cell]) -> bool:
    """Whether it was in more than half of these cells, so that nothing slow is proved by them."""
    return 2 * sum(map(is_generator_limited, cells)) > len(cells)


@dataclass
class Latency:
    """One latency of one operation: the successful answers of its clean cells, by round."""

    histograms: dict[int, list[Histogram]] = field(default_factory=lambda: defaultdict(list))

    @cached_property
    def by_round(self) -> dict[int, Histogram]:
        """One histogram a round."""
        merged = {number: merge(some) for number, some in sorted(self.histograms.items())}
        return {number: histogram for number, histogram in merged.items() if histogram.count}

    @cached_property
    def together(self) -> Histogram:
        """All rounds in one histogram."""
        return merge(self.by_round.values())


@dataclass
class Measured:
    """One operation of one store under one load.

    `unanswered` is its share of the requests that were intended and have no outcome.
    """

    latencies: dict[str, Latency] = field(default_factory=lambda: defaultdict(Latency))
    failures: Counter[str] = field(default_factory=Counter)
    unanswered: float = 0.0
    cells: list[Cell] = field(default_factory=list)
    alone: bool = True
    pool: str | None = None
    """Whose processes' bystanders count; None: all."""

    @property
    def samples(self) -> int:
        """How many answers were right."""
        return self.latencies[SERVICE].together.count


@dataclass
class StoreView:
    """A store under one load: its clean cells, what each operation got in them, and each stream.

    A stream is all of its operations together, whichever pool answered.
    """

    cells: list[Cell] = field(default_factory=list)
    operations: dict[str, Measured] = field(default_factory=lambda: defaultdict(Measured))
    streams: dict[str, Measured] = field(default_factory=lambda: defaultdict(Measured))


@dataclass
class View:
    """The stores of one durability under one load, with the reference beside them."""

    load: TableLoad
    durability: str
    stores: dict[str, StoreView]
    references: frozenset[str] = frozenset()

    @property
    def latencies(self) -> tuple[str, ...]:
        """What can be said of this load: users that wait for answers intend nothing."""
        return (RESPONSE, SERVICE) if self.load.open else (SERVICE,)

    @property
    def operations(self) -> list[str]:
        """What was measured here, in the order of the vocabulary."""
        names = {name for store in self.stores.values() for name in store.operations}
        return sorted(names, key=_operation_order)


def streams(view: View) -> list[str]:
    """The streams of a view that were sent anything, as its cells have them."""
    return list(
        dict.fromkeys(
            name
            for seen in view.stores.values()
            for name, measured in seen.streams.items()
            if measured.samples or measured.failures or measured.unanswered
        )
    )


def requests(stream: str) -> str:
    """What all requests of a stream are called in a report."""
    return f"{stream} requests"


def views(cells: Iterable[Cell], damaged: list[str], ledgers: Mapping[str, Ledger]) -> list[View]:
    """Sort clean cells into views, those under open load first.

    A histogram that cannot be read is named in `damaged`.
    """
    loads: dict[TableLoad, dict[str, StoreView]] = defaultdict(lambda: defaultdict(StoreView))
    for cell in cells:
        if cell.void is None:
            _add(loads[load_of(cell)][cell.subject], cell, damaged)
    ordered = sorted(loads, key=_load_order)
    return [view for load in ordered for view in _split(load, loads[load], ledgers)]


def load_of(cell: Cell) -> TableLoad:
    """Under what a cell was measured; mixes of a single operation belong together."""
    return TableLoad(
        mix=ALONE if _alone(cell) else cell.mix or "",
        users=cell.users,
        rate=cell.rate,
        processes=cell.processes,
        target=cell.target,
        variant=cell.variant,
        beside="; ".join(f"{it.rate:g}/s {name} ({it.work})" for name, it in _others(cell)) or None,
    )


def void_subjects(cells: Iterable[Cell]) -> list[Cell]:
    """Of each store, under each load as it was ordered, that has no clean cell: the first cell."""
    ordered: dict[tuple[Configuration, str | None], list[Cell]] = defaultdict(list)
    for cell in cells:
        ordered[cell.configuration, cell.target].append(cell)
    return [found[0] for found in ordered.values() if all(c.void is not None for c in found)]


def _others(cell: Cell) -> list[tuple[str, StreamResult]]:
    """What came beside the stream that the cell's rate is of."""
    return list(cell.streams.items())[1:]


def _alone(cell: Cell) -> bool:
    return cell.mix in OPERATIONS and not cell.streams


def _add(view: StoreView, cell: Cell, damaged: list[str]) -> None:
    cell = attributed(cell)
    view.cells.append(cell)
    seen = {_label(result) for result in cell.operations if result.count}
    alone, mix = _alone(cell), cell.mix or ""
    wanted = {name for name in seen if name.split(" ", 1)[0] == mix} if alone else seen
    for name in wanted or ({mix} if alone else ()):
        measured = view.operations[name]
        measured.cells.append(cell)
        measured.alone &= alone and seen <= wanted
    share = shares(cell)
    for result in cell.operations:
        if result.count and _label(result) in wanted:
            measured = view.operations[_label(result)]
            measured.unanswered += share(result)
            _count(measured, cell, result, damaged)
    _add_streams(view, cell, damaged)
    if not seen and alone:
        view.operations[mix].unanswered += unanswered(cell)


def attributed(cell: Cell) -> Cell:
    """Return a cell in which what nobody answered belongs to the pool that answered its like.

    A request that timed out names no pool. Told apart it would flatter the one that it was sent
    to; where several pools answered the operation, it stays apart.
    """
    pools: dict[str, set[str]] = defaultdict(set)
    for result in cell.operations:
        if result.pool != NO_POOL:
            pools[result.operation].add(result.pool)
    found = [
        msgspec.structs.replace(result, pool=next(iter(pools[result.operation])))
        if result.pool == NO_POOL and len(pools[result.operation]) == 1
        else result
        for result in cell.operations
    ]
    return cell if found == cell.operations else msgspec.structs.replace(cell, operations=found)


def _add_streams(view: StoreView, cell: Cell, damaged: list[str]) -> None:
    for name, stream in cell.streams.items():
        measured = view.streams[name]
        measured.pool, measured.alone = name, False
        measured.cells.append(cell)
        own = [each for each in cell.operations if each.operation in stream.operations]
        measured.unanswered += unanswered_of(stream, own)
        for result in own:
            _count(measured, cell, result, damaged)


def _count(measured: Measured, cell: Cell, result: OperationResult, damaged: list[str]) -> None:
    if result.outcome != OK:
        measured.failures[result.outcome] += result.count
        return
    try:
        found = {SERVICE: _decoded(result.service_us)}
        if cell.rate is not None:
            found[RESPONSE] = _decoded(result.response_us)
    except ValueError as error:
        where = f"{cell.store} {result.operation}, mix {cell.mix}, round {cell.round}"
        damaged.append(f"{where}: {error}")
        return
    for latency, histogram in found.items():
        measured.latencies[latency].histograms[cell.round].append(histogram)


def _decoded(times: LatencySummary | None) -> Histogram:
    return decode((times and times.histogram) or "")


def _label(result: OperationResult) -> str:
    return label(result.operation, result.pool)


def label(operation: str, pool: str) -> str:
    """What an operation is called in a pool: in the fast one, where there is but one, no more."""
    return operation if pool == "fast" else f"{operation} ({pool} pool)"


def unlabelled(label: str) -> tuple[str, str]:
    """The operation and the pool that a label stands for."""
    operation, _, rest = label.partition(" (")
    return operation, rest.removesuffix(" pool)") or "fast"


def _split(
    load: TableLoad, stores: dict[str, StoreView], ledgers: Mapping[str, Ledger]
) -> Iterator[View]:
    reference = {store: view for store, view in stores.items() if is_reference(store, ledgers)}
    rivals = sorted({durability_of(store) for store in stores.keys() - reference.keys()})
    for durability in rivals or sorted({durability_of(store) for store in reference}):
        own = {store: view for store, view in stores.items() if durability_of(store) == durability}
        every = dict(sorted((reference | own).items()))
        yield View(load, durability, every, frozenset(reference))


def _operation_order(label: str) -> tuple[int, str]:
    name = label.split(" ", 1)[0]
    return (OPERATIONS.index(name) if name in OPERATIONS else len(OPERATIONS), label)


def _load_order(load: TableLoad) -> tuple[bool, bool, str, int, float, int, str, str, str]:
    return (
        not load.open,
        load.mix == ALONE,
        load.mix,
        load.users or 0,
        load.rate or 0.0,
        load.processes,
        load.target or "",
        load.variant or "",
        load.beside or "",
    )


# Which cell a line of a run is of: what tells one cell from every other.


def cut(row: Conditions, *, steady: bool = True) -> Conditions:
    """Return what names a cell; without its load where that changed while it ran (not `steady`)."""
    return row.conditions if steady else row.conditions.without(*LOAD)


def clean(cells: Iterable[Cell], *, steady: bool = True) -> set[Conditions]:
    """Return those that count. An attempt that was spoiled and one that was not differ."""
    return {cut(cell, steady=steady) for cell in cells if cell.void is None}


def spoiled(cells: Iterable[Cell], *, steady: bool = True) -> set[Conditions]:
    """Return those that are void; in older files attempts had no number, and the last counts."""
    every = list(cells)
    void = {cut(cell, steady=steady) for cell in every if cell.void is not None}
    return void - clean(every, steady=steady)


def steady(run: Run) -> bool:
    """Return whether the load of a cell stayed what it was; Locust's may be changed."""
    return run.info.settings.get("under") != "locust"


# Three variants or more become rivals in one ranking: each store is told with its variant.


FEWEST = 3

T = TypeVar("T", Cell, SampledRequest, Second)


def ranked(run: Run) -> bool:
    """Whether a run has so many variants that they are ranked."""
    return len({cell.variant for cell in run.cells} | run.info.variants.keys()) >= FEWEST


def contenders(run: Run) -> Run:
    """Return a run whose stores are `<variant> <store>` if its variants are to be ranked."""
    if not ranked(run):
        return run
    stores = {
        display_name(variant, store): ledger
        for variant, ledgers in run.info.variants.items()
        for store, ledger in ledgers.items()
    }
    return msgspec.structs.replace(
        run,
        info=msgspec.structs.replace(run.info, stores=stores, variants={}),
        cells=list(named(run.cells)),
        partial=list(named(run.partial)),
    )


def named(those: Iterable[T]) -> Iterator[T]:
    """Yield what is known of stores with the variant as a part of the store's name."""
    for each in those:
        store = display_name(each.variant, each.subject)
        yield msgspec.structs.replace(each, store=store, variant=None)


def display_name(variant: str | None, store: str) -> str:
    """The name of a store that is told with its variant, if there is one."""
    return f"{variant} {store}" if variant else store
