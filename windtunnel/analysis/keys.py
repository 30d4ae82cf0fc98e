"""What results are grouped by: a store, with its variant where variants are ranked; an operation.

A key is rendered once, where a report is written (`str`), and never read back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, TypeVar

import msgspec

from windtunnel.recording.conditions import Configuration, LoadConditions
from windtunnel.recording.results import Ledger, OperationResult, Run

OPERATIONS: Final = ("create", "read", "update", "edit", "delete", "find", "summary", "sleep")
DEFAULT_POOL: Final = "fast"
MIN_RANKED_VARIANTS: Final = 3
"""Variants from which on each store of each variant is a rival in one ranking."""

Row = TypeVar("Row", bound=Configuration)


class StoreKey(NamedTuple):
    """A store; with the variant that it was measured at where variants are ranked."""

    store: str
    variant: str | None = None

    def __str__(self) -> str:
        return f"{self.variant} {self.store}" if self.variant else self.store

    @property
    def engine(self) -> str:
        """The first part of the store's id."""
        return self.store.split("/", 1)[0]

    @property
    def durability(self) -> str:
        """The last part of the store's id."""
        return self.store.rsplit("/", 1)[-1]


class OperationKey(NamedTuple):
    """An operation as one pool answered it; None where a server has no pools."""

    operation: str
    pool: str | None = DEFAULT_POOL

    def __str__(self) -> str:
        if self.pool in {None, DEFAULT_POOL}:
            return self.operation
        return f"{self.operation} ({self.pool} pool)"

    @property
    def order(self) -> tuple[int, str]:
        """Sorts operations as the vocabulary has them, then those of somebody else by name."""
        is_known = self.operation in OPERATIONS
        return OPERATIONS.index(self.operation) if is_known else len(OPERATIONS), str(self)


def operation_key(result: OperationResult) -> OperationKey:
    """The operation and pool of a result."""
    return OperationKey(result.operation, result.pool)


def has_ranked_variants(run: Run) -> bool:
    """Whether a run has so many variants that they are ranked; two are compared."""
    names = {cell.variant for cell in run.cells} | run.info.variants.keys()
    return len(names) >= MIN_RANKED_VARIANTS


def store_key(configuration: Configuration, *, by_variant: bool) -> StoreKey:
    """The key of what was measured."""
    return StoreKey(configuration.subject, configuration.variant if by_variant else None)


def ledgers_by_key(run: Run) -> dict[StoreKey, Ledger]:
    """The ledgers of a run's stores; of each variant's where variants are ranked."""
    if not has_ranked_variants(run):
        return {StoreKey(store): ledger for store, ledger in run.info.stores.items()}
    return {
        StoreKey(store, variant): ledger
        for variant, ledgers in run.info.variants.items()
        for store, ledger in ledgers.items()
    }


def rendered(rows: Iterable[Row], *, by_variant: bool) -> list[Row]:
    """The rows of a report with the variant as a part of the store's name, if it is one."""
    if not by_variant:
        return list(rows)
    return [
        msgspec.structs.replace(row, store=str(store_key(row, by_variant=True)), variant=None)
        for row in rows
    ]


ALONE = "each operation alone"
"""The mix of cells in which one operation ran by itself."""


class TableLoad(LoadConditions, frozen=True, kw_only=True):
    """The load that the cells of a table were measured under; no two loads share a table.

    `mix` is `ALONE` for the cells in which one operation ran by itself; `beside` describes what
    came at rates of its own beside the load, `target` is the address that was loaded.
    """

    target: str | None = None
    beside: str | None = None

    @property
    def open(self) -> bool:
        """Whether requests came by a schedule, whatever the answers did."""
        return self.rate is not None

    @property
    def kind(self) -> str:
        """Closed or open load, and which latencies therefore stand in the table."""
        slow = "" if self.slow_rate is None else f"{self.slow_rate:g}/s slow"
        beside = self.beside or slow
        plus = f" + {beside}" if beside else ""
        if self.rate is not None:
            return f"open, {self.rate:g} requests/s{plus}: response and service time"
        users = f"{self.users or 0} user{'' if self.users == 1 else 's'}"
        return f"closed, {users}{plus}: service time"

    @property
    def order(self) -> tuple[object, ...]:
        """Sorts open loads first, mixes before operations alone, then by every condition."""
        values = msgspec.structs.astuple(self)
        return (
            not self.open,
            self.mix == ALONE,
            self.mix or "",
            *((False, 0) if value is None else (True, value) for value in values),
        )
