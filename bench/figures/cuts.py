"""Which cell a line of a run is of: what tells one cell from every other."""

from collections.abc import Iterable

from bench.disk.results import Cell, Run
from bench.disk.streams import SampledRequest, Second

Of = Cell | Second | SampledRequest

Cut = tuple[str, str | None, str | None, int, int, int | None, float | None, float | None, int]
"""Store, variant, mix, processes, round, users, rate, slow rate, attempt."""


def cut(of: Of, *, steady: bool = True) -> Cut:
    """Return what names a cell; without its load where that changed while it ran (not `steady`)."""
    load = (of.users, of.rate, of.slow_rate) if steady else (None, None, None)
    return of.store, of.variant, of.mix, of.processes, of.round, *load, of.attempt


def clean(cells: Iterable[Cell], *, steady: bool = True) -> set[Cut]:
    """Return those that count. An attempt that was spoiled and one that was not differ."""
    return {cut(cell, steady=steady) for cell in cells if cell.void is None}


def spoiled(cells: Iterable[Cell], *, steady: bool = True) -> set[Cut]:
    """Return those that are void; in older files attempts had no number, and the last counts."""
    every = list(cells)
    void = {cut(cell, steady=steady) for cell in every if cell.void is not None}
    return void - clean(every, steady=steady)


def steady(run: Run) -> bool:
    """Return whether the load of a cell stayed what it was; Locust's may be changed."""
    return run.info.settings.get("under") != "locust"
