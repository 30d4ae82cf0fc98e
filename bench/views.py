"""Cells sorted into what may be compared: one load, one durability, clean cells by store."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from bench.histogram import Histogram, decode, merge
from bench.results import OK, Cell, OperationResult
from bench.summary import ALONE, Load

OPERATIONS = ("create", "read", "update", "edit", "delete", "find", "summary")
REFERENCE_ENGINE = "memory"


def durability_of(store: str) -> str:
    """The last part of a store's id."""
    return store.rsplit("/", 1)[-1]


def is_reference(store: str) -> bool:
    """Whether a store is the zero baseline, which is shown but takes no place."""
    return store.split("/", 1)[0] == REFERENCE_ENGINE


@dataclass
class Measured:
    """One operation of one store under one load: the answers of its clean cells, by round."""

    histograms: dict[int, list[Histogram]] = field(default_factory=lambda: defaultdict(list))
    failures: Counter[str] = field(default_factory=Counter)
    cells: list[Cell] = field(default_factory=list)
    alone: bool = True

    @cached_property
    def by_round(self) -> dict[int, Histogram]:
        """Service times of the successful answers, one histogram a round."""
        merged = {number: merge(some) for number, some in sorted(self.histograms.items())}
        return {number: histogram for number, histogram in merged.items() if histogram.total}

    @cached_property
    def together(self) -> Histogram:
        """All rounds in one histogram."""
        return merge(self.by_round.values())


@dataclass
class StoreView:
    """A store under one load: its clean cells and what each operation got in them."""

    cells: list[Cell] = field(default_factory=list)
    operations: dict[str, Measured] = field(default_factory=lambda: defaultdict(Measured))


@dataclass
class View:
    """The stores of one durability under one load, with the reference beside them."""

    load: Load
    durability: str
    stores: dict[str, StoreView]

    @property
    def operations(self) -> list[str]:
        """What was measured here, in the order of the vocabulary."""
        names = {name for store in self.stores.values() for name in store.operations}
        return sorted(names, key=_operation_order)


def views(cells: Iterable[Cell], damaged: list[str]) -> list[View]:
    """Sort clean cells into views; a histogram that cannot be read is named in `damaged`."""
    loads: dict[Load, dict[str, StoreView]] = defaultdict(lambda: defaultdict(StoreView))
    for cell in cells:
        if cell.void is None:
            _add(loads[load_of(cell)][cell.store], cell, damaged)
    return [view for load in sorted(loads, key=_load_order) for view in _split(load, loads[load])]


def load_of(cell: Cell) -> Load:
    """Under what a cell was measured; mixes of a single operation belong together."""
    return Load(
        mix=ALONE if cell.mix in OPERATIONS else cell.mix,
        users=cell.users,
        rate=cell.rate,
        processes=cell.processes,
        target=cell.target,
        variant=cell.variant,
    )


def _add(view: StoreView, cell: Cell, damaged: list[str]) -> None:
    view.cells.append(cell)
    seen = {_label(result) for result in cell.operations if result.count}
    alone = cell.mix in OPERATIONS
    wanted = {label for label in seen if label.split(" ", 1)[0] == cell.mix} if alone else seen
    for label in wanted or ({cell.mix} if alone else ()):
        measured = view.operations[label]
        measured.cells.append(cell)
        measured.alone &= alone and seen <= wanted
    for result in cell.operations:
        if result.count and _label(result) in wanted:
            _count(view.operations[_label(result)], cell, result, damaged)


def _count(measured: Measured, cell: Cell, result: OperationResult, damaged: list[str]) -> None:
    if result.outcome != OK:
        measured.failures[result.outcome] += result.count
        return
    try:
        text = result.service_us and result.service_us.histogram
        measured.histograms[cell.round].append(decode(text or ""))
    except ValueError as error:
        where = f"{cell.store} {result.operation}, mix {cell.mix}, round {cell.round}"
        damaged.append(f"{where}: {error}")


def _label(result: OperationResult) -> str:
    return result.operation if result.pool == "fast" else f"{result.operation} ({result.pool} pool)"


def _split(load: Load, stores: dict[str, StoreView]) -> Iterator[View]:
    reference = {store: view for store, view in stores.items() if is_reference(store)}
    rivals = sorted({durability_of(store) for store in stores.keys() - reference.keys()})
    for durability in rivals or sorted({durability_of(store) for store in reference}):
        own = {store: view for store, view in stores.items() if durability_of(store) == durability}
        yield View(load, durability, dict(sorted((reference | own).items())))


def _operation_order(label: str) -> tuple[int, str]:
    name = label.split(" ", 1)[0]
    return (OPERATIONS.index(name) if name in OPERATIONS else len(OPERATIONS), label)


def _load_order(load: Load) -> tuple[bool, str, int, float, int, str, str]:
    return (
        load.mix == ALONE,
        load.mix,
        load.users or 0,
        load.rate or 0.0,
        load.processes,
        load.target or "",
        load.variant or "",
    )
