"""What a run shows while it goes on: which cell of how many, and the time left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

LINE_EVERY = 10.0
"""Seconds between lines where the output is no terminal."""


class ProgressDisplay:
    """Progress on a terminal as a bar, elsewhere as a line now and then. A context manager."""

    def __init__(
        self,
        total: int,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
        within: float = math.inf,
    ) -> None:
        """Show `total` cells; no round of them begins later than `within` seconds from now."""
        self._total = total
        self._console = console
        self._clock = clock
        self._within = within
        self._done = 0
        self._began = self._said = clock()
        self._bar = Progress(
            TextColumn("cell"),
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True)
            if math.isinf(within)
            else _Left(self._left),
            TextColumn("{task.description}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def more(self, cells: int) -> None:
        """Expect so many cells more."""
        self._total += cells
        self._bar.update(self._task, total=self._total)

    def begin(self, what: str) -> None:
        """Show which cell is being measured."""
        self._bar.update(self._task, description=what)
        now = self._clock()
        if not self._console.is_terminal and (self._done == 0 or now - self._said >= LINE_EVERY):
            self._said = now
            self._console.print(f"cell {self._done + 1} of {self._total}{self._left()}  {what}")

    def done(self) -> None:
        """Count a finished cell."""
        self._done += 1
        self._bar.advance(self._task)

    def note(self, text: str) -> None:
        """Say something above the bar."""
        self._console.print(text, highlight=False)

    def _left(self) -> str:
        if not self._done:
            return ""
        spent = self._clock() - self._began
        cell_s = spent / self._done
        sure = max(self._within - spent, cell_s)  # the cell being measured is not broken off
        left = round(min(cell_s * (self._total - self._done), sure))
        return f", {left // 60}:{left % 60:02d} left"


class _Left(ProgressColumn):
    """The time left as the lines have it."""

    def __init__(self, left: Callable[[], str]) -> None:
        super().__init__()
        self._of = left

    def render(self, task: Task) -> Text:  # noqa: ARG002
        return Text(self._of().removeprefix(", "), style="progress.remaining")
