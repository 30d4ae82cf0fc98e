"""What a run shows while it goes on: which cell of how many, and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_EVERY = 10.0
"""Seconds between lines where the output is no terminal."""


class Shown:
    """Progress on a terminal as a bar, elsewhere as a line now and then. A context manager."""

    def __init__(
        self, total: int, console: Console, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total
        self._console = console
        self._clock = clock
        self._done = 0
        self._began = self._said = clock()
        self._bar = Progress(
            TextColumn("cell"),
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
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
        """Say which cell is under way."""
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
        each = (self._clock() - self._began) / self._done
        left = round(each * (self._total - self._done))
        return f", {left // 60}:{left % 60:02d} left"
