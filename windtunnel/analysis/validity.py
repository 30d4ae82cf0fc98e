"""Which cells count: those that are not void, and where the generator was not the limit."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from windtunnel.recording.conditions import LOAD, Conditions, Configuration
from windtunnel.recording.limits import generator_limit
from windtunnel.recording.results import Cell, Run


def is_generator_limited(cell: Cell) -> bool:
    """Whether the generator was the limit, so that the store may be better than its figures."""
    is_flagged = any("lower bound" in flag for flag in cell.flags)
    return is_flagged or generator_limit(cell.health) is not None


def is_mostly_limited(cells: Sequence[Cell]) -> bool:
    """Whether the generator was the limit in more than half of these cells."""
    return 2 * sum(map(is_generator_limited, cells)) > len(cells)


def has_steady_load(run: Run) -> bool:
    """Whether the load of a cell stayed the same; under Locust it may be changed meanwhile."""
    return run.info.settings.get("under") != "locust"


def cell_key(row: Conditions, *, steady: bool = True) -> Conditions:
    """The conditions of a cell or of a row of it; without the load where that is not `steady`."""
    return row.conditions if steady else row.conditions.without(*LOAD)


def clean_cells(cells: Iterable[Cell]) -> list[Cell]:
    """The cells that count."""
    return [cell for cell in cells if cell.void is None]


def clean_keys(cells: Iterable[Cell], *, steady: bool = True) -> set[Conditions]:
    """The keys of the cells that count. Attempts at one cell have a key each."""
    return {cell_key(cell, steady=steady) for cell in clean_cells(cells)}


def void_keys(cells: Sequence[Cell]) -> set[Conditions]:
    """The keys of void cells; in older files attempts had no number, and the last one counts."""
    return {cell_key(cell) for cell in cells if cell.void is not None} - clean_keys(cells)


def void_configurations(cells: Iterable[Cell]) -> list[Cell]:
    """The first cell of each configuration and target that has no clean cell."""
    attempts: dict[tuple[Configuration, str | None], list[Cell]] = defaultdict(list)
    for cell in cells:
        attempts[cell.configuration, cell.target].append(cell)
    return [cells[0] for cells in attempts.values() if not clean_cells(cells)]
