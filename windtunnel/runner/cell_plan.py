"""Which cells a run measures, and in which order: pure functions of what was asked for."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, product

from windtunnel.errors import SetupError
from windtunnel.workload.slow import SlowLoad, summary_store, why_no_slow_work
from windtunnel.workload.stores import StoreInfo, select

COMPARED_MODES = ("blocking", "async")
"""The modes of a run that names none; `--full` takes threads too."""


class NothingToMeasureError(SetupError):
    """Every store that was asked for is unavailable; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """What a store is put under: a mix, and closed users or an open rate (requests a second).

    With `slow` that rate is of fast requests, and so many slow ones come beside them.
    """

    mix: str
    users: int | None
    processes: int
    rate: float | None = None
    slow: SlowLoad | None = None


@dataclass(frozen=True, slots=True)
class CellSpec:
    """One cell to measure: a store of a variant under a load in a round (from 1)."""

    store: StoreInfo
    load: LoadSpec
    round: int
    variant: str | None = None


@dataclass(frozen=True, slots=True)
class Variant:
    """One of several servers that are measured in the same rounds.

    `modes` are those of its stores that are measured there; None stands for all.
    """

    name: str | None = None
    modes: frozenset[str] | None = None

    def takes(self, store: StoreInfo) -> bool:
        """Whether `store` is measured there."""
        return self.modes is None or store.mode in self.modes


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will measure, and why the rest of what was asked for is left out.

    A store that bears some loads only is in `stores` and in `skipped`. `summary_stores` says, by
    store, whose summary the slow work beside it requests.
    """

    stores: tuple[StoreInfo, ...]
    loads: tuple[LoadSpec, ...]
    rounds: int
    seed: int
    skipped: Mapping[str, str] = field(default_factory=dict)
    summary_stores: Mapping[str, str] = field(default_factory=dict)
    variants: tuple[Variant, ...] = (Variant(),)

    @property
    def cells_per_round(self) -> int:
        """How many cells a round has."""
        return len(self._cells(1))

    def __len__(self) -> int:
        return self.cells_per_round * self.rounds

    def __iter__(self) -> Iterator[CellSpec]:
        """Return the cells of all rounds, one round after the other."""
        return chain.from_iterable(map(self.round, range(1, self.rounds + 1)))

    def round(self, round_number: int) -> list[CellSpec]:
        """Return the cells of a round (from 1), in an order of its own, from the seed."""
        specs = self._cells(round_number)
        random.Random(f"{self.seed}:{round_number}").shuffle(specs)
        return specs

    def _cells(self, round_number: int) -> list[CellSpec]:
        return [
            CellSpec(store, load, round_number, variant.name)
            for variant, load, store in product(self.variants, self.loads, self.stores)
            if variant.takes(store) and why_unsuitable(store, load) is None
        ]


def plan(
    stores: Sequence[StoreInfo],
    globs: Sequence[str],
    loads: Sequence[LoadSpec],
    *,
    full: bool,
    rounds: int,
    seed: int,
    variants: tuple[Variant, ...] = (Variant(),),
) -> Plan:
    """Choose stores by `globs`, or the compared ones, and leave out those that cannot run.

    Raises UnknownStoreError for a glob that selects nothing.
    """
    selected = select(stores, globs) if globs else [s for s in stores if full or is_compared(s)]
    skipped = {store.id: store.detail or store.status for store in selected if store.status != "up"}
    suitable = []
    for store in selected:
        if store.id in skipped:
            continue
        reasons = [
            why_unsuitable(store, load) or _why_no_slow_work(store, load, stores) for load in loads
        ]
        if None in reasons:
            suitable.append(store)
        if reason := "; ".join(dict.fromkeys(reason for reason in reasons if reason)):
            skipped[store.id] = reason
    summary_stores = {
        store.id: summary for store in suitable if (summary := summary_store(store, stores))
    }
    return Plan(tuple(suitable), tuple(loads), rounds, seed, skipped, summary_stores, variants)


def _why_no_slow_work(store: StoreInfo, load: LoadSpec, stores: Sequence[StoreInfo]) -> str | None:
    return None if load.slow is None else why_no_slow_work(store, load.slow.work, stores)


def is_compared(store: StoreInfo) -> bool:
    """Whether a run that names no stores measures this one: its default durability, no threads."""
    return store.default and store.mode in COMPARED_MODES


def why_unsuitable(store: StoreInfo, load: LoadSpec) -> str | None:
    """Return why a store cannot be measured under a load, or None."""
    if store.local and load.processes > 1:
        return f"{load.processes} processes: each has data of its own, so only one can be loaded"
    missing = sorted(operations_of(load.mix) - store.operations)
    if missing:
        reasons = (f"{name}: {store.not_available.get(name, 'not offered')}" for name in missing)
        return f"mix {load.mix} needs {'; '.join(reasons)}"
    if load.slow is not None and load.slow.needs - store.operations:
        return f"slow work {load.slow.work}: {store.not_available.get('summary', 'not offered')}"
    return None


def operations_of(mix: str) -> frozenset[str]:
    """Return the operations of a store in `mix`; raises KeyError for an unknown mix."""
    from windtunnel.client.api import SLEEP
    from windtunnel.workload.mixes import MIXES

    return frozenset(MIXES[mix]) - {SLEEP}
