"""Cells sorted into what may be compared: one load, one durability, clean cells by store."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import msgspec

from windtunnel.analysis.keys import (
    ALONE,
    OPERATIONS,
    OperationKey,
    StoreKey,
    TableLoad,
    has_ranked_variants,
    ledgers_by_key,
    operation_key,
    store_key,
)
from windtunnel.analysis.metrics import RESPONSE, SERVICE
from windtunnel.analysis.unanswered import (
    results_of_stream,
    unanswered,
    unanswered_of_stream,
    unanswered_shares,
    with_pools,
)
from windtunnel.analysis.validity import clean_cells
from windtunnel.recording.conditions import LoadConditions
from windtunnel.recording.histogram import Histogram, decode, merge
from windtunnel.recording.results import OK, Cell, LatencySummary, Ledger, OperationResult, Run

REFERENCE_ENGINE = "memory"


@dataclass
class LatencyByRound:
    """One latency of one operation: the successful answers of its clean cells, by round."""

    histograms: dict[int, list[Histogram]] = field(default_factory=lambda: defaultdict(list))

    @cached_property
    def by_round(self) -> dict[int, Histogram]:
        """One histogram a round."""
        merged = {number: merge(parts) for number, parts in sorted(self.histograms.items())}
        return {number: histogram for number, histogram in merged.items() if histogram.count}

    @cached_property
    def merged(self) -> Histogram:
        """All rounds in one histogram."""
        return merge(self.by_round.values())


@dataclass
class OperationMeasurements:
    """One operation of one store under one load.

    `unanswered` is its share of the requests that were scheduled and have no outcome; `alone` is
    whether no other operation ran in its cells. Bystanders count where they asked `pool`; None:
    all of them.
    """

    latencies: dict[str, LatencyByRound] = field(
        default_factory=lambda: defaultdict(LatencyByRound)
    )
    failures: Counter[str] = field(default_factory=Counter)
    unanswered: float = 0.0
    cells: list[Cell] = field(default_factory=list)
    alone: bool = True
    pool: str | None = None

    @property
    def samples(self) -> int:
        """How many answers were successful."""
        return self.latencies[SERVICE].merged.count

    @property
    def unsuccessful(self) -> float:
        """How many scheduled requests got no successful answer."""
        return self.failures.total() + self.unanswered

    def add(self, cell: Cell, result: OperationResult, damaged: list[str]) -> None:
        """Count a result; a histogram that cannot be read is named in `damaged`."""
        if result.outcome != OK:
            self.failures[result.outcome] += result.count
            return
        try:
            histograms = {SERVICE: _decoded(result.service_us)}
            if cell.rate is not None:
                histograms[RESPONSE] = _decoded(result.response_us)
        except ValueError as error:
            where = f"{cell.subject} {result.operation}, mix {cell.mix}, round {cell.round}"
            damaged.append(f"{where}: {error}")
            return
        for latency, histogram in histograms.items():
            self.latencies[latency].histograms[cell.round].append(histogram)


@dataclass
class StoreMeasurements:
    """A store under one load: its clean cells, and the results of each operation and stream.

    A stream is all of its operations together, whichever pool answered.
    """

    cells: list[Cell] = field(default_factory=list)
    operations: dict[OperationKey, OperationMeasurements] = field(
        default_factory=lambda: defaultdict(OperationMeasurements)
    )
    streams: dict[str, OperationMeasurements] = field(
        default_factory=lambda: defaultdict(OperationMeasurements)
    )

    def add(self, cell: Cell, damaged: list[str]) -> None:
        """Count a clean cell."""
        cell = with_pools(cell)
        self.cells.append(cell)
        self._add_operations(cell, damaged)
        self._add_streams(cell, damaged)

    def _add_operations(self, cell: Cell, damaged: list[str]) -> None:
        present = {operation_key(result) for result in cell.operations if result.count}
        chosen = present
        if alone := is_alone(cell):
            own = {key for key in present if key.operation == cell.mix}
            chosen = own or {OperationKey(cell.mix or "")}
        for key in chosen:
            measurements = self.operations[key]
            measurements.cells.append(cell)
            measurements.alone &= alone and present <= chosen
        share = unanswered_shares(cell)
        for result in cell.operations:
            if result.count and operation_key(result) in chosen:
                measurements = self.operations[operation_key(result)]
                measurements.unanswered += share(result)
                measurements.add(cell, result, damaged)
        if alone and not present:
            self.operations[OperationKey(cell.mix or "")].unanswered += unanswered(cell)

    def _add_streams(self, cell: Cell, damaged: list[str]) -> None:
        for name, stream in cell.streams.items():
            measurements = self.streams[name]
            measurements.pool, measurements.alone = name, False
            measurements.cells.append(cell)
            results = results_of_stream(cell, stream)
            measurements.unanswered += unanswered_of_stream(stream, results)
            for result in results:
                measurements.add(cell, result, damaged)


@dataclass
class Group:
    """The stores of one durability under one load, with the reference beside them."""

    load: TableLoad
    durability: str
    stores: dict[StoreKey, StoreMeasurements]
    references: frozenset[StoreKey] = frozenset()

    @property
    def latencies(self) -> tuple[str, ...]:
        """The latencies there are: closed load has no schedule, so no response times."""
        return (RESPONSE, SERVICE) if self.load.open else (SERVICE,)

    @property
    def operations(self) -> list[OperationKey]:
        """The operations that were measured, in the order of the vocabulary."""
        keys = {key for store in self.stores.values() for key in store.operations}
        return sorted(keys, key=lambda key: key.order)

    @property
    def streams(self) -> list[str]:
        """The streams that were sent anything, as the cells have them."""
        return list(
            dict.fromkeys(
                name
                for store in self.stores.values()
                for name, measurements in store.streams.items()
                if measurements.samples or measurements.unsuccessful
            )
        )


def group_cells(run: Run, damaged: list[str] | None = None) -> list[Group]:
    """Sort the clean cells of a run into groups, those under open load first.

    A histogram that cannot be read is named in `damaged`. Where variants are ranked, each of their
    stores is a rival of its own.
    """
    by_variant = has_ranked_variants(run)
    loads: dict[TableLoad, dict[StoreKey, StoreMeasurements]] = defaultdict(
        lambda: defaultdict(StoreMeasurements)
    )
    for cell in clean_cells(run.cells):
        load = load_of(cell, by_variant=by_variant)
        key = store_key(cell, by_variant=by_variant)
        loads[load][key].add(cell, [] if damaged is None else damaged)
    ledgers = ledgers_by_key(run)
    return [
        group
        for load in sorted(loads, key=lambda load: load.order)
        for group in _by_durability(load, loads[load], ledgers)
    ]


def load_of(cell: Cell, *, by_variant: bool) -> TableLoad:
    """The load of a cell; mixes of a single operation belong together."""
    conditions = msgspec.convert(cell, LoadConditions, from_attributes=True)
    beside = [
        f"{stream.rate:g}/s {name} ({stream.work})"
        for name, stream in list(cell.streams.items())[1:]
    ]
    load = TableLoad(
        **msgspec.structs.asdict(conditions), target=cell.target, beside="; ".join(beside) or None
    )
    return msgspec.structs.replace(
        load,
        mix=ALONE if is_alone(cell) else cell.mix or "",
        variant=None if by_variant else cell.variant,
    )


def is_alone(cell: Cell) -> bool:
    """Whether a cell was of a single operation."""
    return cell.mix in OPERATIONS and not cell.streams


def is_reference(store: StoreKey, ledgers: Mapping[StoreKey, Ledger]) -> bool:
    """Whether a store is the zero baseline, which is shown but not ranked.

    Its ledger says so; where an older server's does not, the engine's name does.
    """
    reference = ledgers[store].reference if store in ledgers else None
    return store.engine == REFERENCE_ENGINE if reference is None else reference


def _by_durability(
    load: TableLoad,
    stores: dict[StoreKey, StoreMeasurements],
    ledgers: Mapping[StoreKey, Ledger],
) -> Iterator[Group]:
    references = {store for store in stores if is_reference(store, ledgers)}
    durabilities = {store.durability for store in stores.keys() - references}
    for durability in sorted(durabilities or {store.durability for store in references}):
        members = {store for store in stores if store.durability == durability} | references
        ordered = {store: stores[store] for store in sorted(members, key=str)}
        yield Group(load, durability, ordered, frozenset(references))


def _decoded(times: LatencySummary | None) -> Histogram:
    return decode((times and times.histogram) or "")
