"""Three variants or more become rivals in one ranking: each store is told with its variant.

Two variants are compared store by store (`bench.figures.compare`); of more, a reader asks which is
best.
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from bench.disk.results import Cell, Run
from bench.disk.streams import SampledRequest, Second

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
        name_with(variant, store): ledger
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
        store = name_with(each.variant, each.store)
        yield msgspec.structs.replace(each, store=store, variant=None)


def name_with(variant: str | None, store: str) -> str:
    """The name of a store that is told with its variant, if there is one."""
    return f"{variant} {store}" if variant else store
