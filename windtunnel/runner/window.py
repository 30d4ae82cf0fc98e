"""What is measured of a cell: the load between two moments, and what goes on beside it."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import msgspec

from windtunnel.recording.results import Cell
from windtunnel.recording.run_folder import RunFolder
from windtunnel.runner.bystander import Bystanders
from windtunnel.runner.cell_order import CellOrder
from windtunnel.runner.collector import Collector
from windtunnel.runner.run_writer import RunWriter
from windtunnel.runner.side_measurements import CellSideMeasurements
from windtunnel.runner.totals import DEPLETED
from windtunnel.workload.cell_load import CellLoad
from windtunnel.workload.user_pool import UserPool


class Window:
    """Closed load: requests count if they ended in it. Open load: if they were scheduled in it.

    CPU time is read at both edges: before the first, and right after the last of these requests.
    """

    def __init__(
        self,
        order: CellOrder,
        template: Cell,
        user_pool: UserPool,
        load: CellLoad,
        bystanders: Bystanders,
    ) -> None:
        self._load, self._bystanders = load, bystanders
        self._folder = None if order.folder is None else RunFolder(Path(order.folder))
        self._surroundings = CellSideMeasurements(order.groups, bystanders)
        self._began = perf_counter()
        templates = {template.store or "": template}
        self._writer = RunWriter(self._folder, lambda: templates, clock=self._clock)
        self._writer.surroundings = self._surroundings.read
        self._collector = Collector(
            user_pool, load.take_stats, self._writer.take, self._clock, counts_in_flight=False
        )

    def open(self, duration_s: float) -> None:
        """Let the load work for `duration_s`, or until it is over; raises CellError."""
        self._load.set_window(self._began, self._began + duration_s)
        self._bystanders.count_from(self._began)
        self._bystanders.end(self._began + duration_s)
        self._load.wait(duration_s)

    def close(self, timeout: float) -> Cell:
        """Return the cell, with the last responses of open load."""
        until = self._load.end_window(timeout)
        self._writer.take(self._collector.end())
        self._writer.stop()
        self._surroundings.end(until, timeout)
        (cell,) = self._writer.cells(until - self._began)
        cell = _with_early_end(cell)
        self._writer.write_rest()
        if self._folder is None:
            return cell
        self._folder.remove_partial()
        return self._folder.flagged(cell)

    def abort(self) -> None:
        """Record no more, and leave nothing of a cell that could not be measured."""
        self._collector.end()
        self._writer.stop()
        if self._folder is not None:
            self._folder.remove_partial()

    def _clock(self) -> float:
        """Return how many seconds ago it began."""
        return perf_counter() - self._began


def _with_early_end(cell: Cell) -> Cell:
    """Return a cell that says so where its load ended as records ran out."""
    flags = [f"ended early: {flag}" if flag == DEPLETED else flag for flag in cell.flags]
    return msgspec.structs.replace(cell, flags=flags)
