"""The files of a run while it is measured, on a disk that may be full."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from windtunnel.recording import hlog, results
from windtunnel.recording.nginx_log import AccessLog
from windtunnel.recording.results import PARTIAL_FILE, Cell, ResultsError, RunInfo
from windtunnel.recording.series import SAMPLES_FILE, SERIES_FILE, SampledRequest, Second

EXPENDABLE: Final = (SAMPLES_FILE, SERIES_FILE, PARTIAL_FILE)
"""What gives way to the cells of a run, in this order, where the disk is full."""

FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class RunFolder:
    """Writes the cells of a run, and the rest as long as there is room for it.

    What cannot be written besides the cells is said once with `warn`, in a line.
    """

    def __init__(self, path: Path, warn: Callable[[str], None] = lambda _: None) -> None:
        self.path = path
        self._warn = warn
        self._error: OSError | None = None

    @property
    def has_series(self) -> bool:
        """Whether seconds, samples and cells under way could be written so far."""
        return self._error is None

    def flagged(self, cell: Cell) -> Cell:
        """Return a cell that says so where they could not."""
        if self._error is None:
            return cell
        flag = f"no series: {self._error.strerror}"
        others = [other for other in cell.flags if other != flag]
        return msgspec.structs.replace(cell, flags=[*others, flag])

    def append_seconds(self, seconds: Iterable[Second]) -> None:
        """Add lines to `series.jsonl`."""
        self._expend(partial(append_lines, self.path / SERIES_FILE, seconds))

    def append_samples(self, samples: Iterable[SampledRequest]) -> None:
        """Add lines to `samples.jsonl`."""
        self._expend(partial(append_lines, self.path / SAMPLES_FILE, samples))

    def write_partial(self, cells: Sequence[Cell]) -> None:
        """Replace `partial.jsonl`, so that whoever reads it finds whole lines."""
        self._expend(partial(self._replace_partial, cells))

    def remove_partial(self) -> None:
        """Remove `partial.jsonl`: its cells are finished."""
        for name in (PARTIAL_FILE, f".{PARTIAL_FILE}"):
            try:
                (self.path / name).unlink(missing_ok=True)
            except OSError as error:
                self._warn(f"{self.path / name} is still there: {error.strerror}")

    def append(self, cell: Cell) -> None:
        """Put a finished cell on disk before returning; raises ResultsError."""
        self._make_room(lambda: results.append(self.path, self.flagged(cell)))

    def finish(self, info: RunInfo) -> None:
        """Write that the run is finished; raises ResultsError."""
        self._make_room(partial(results.finish, self.path, info))

    def log(self, cell: Cell) -> None:
        """Add a finished cell to the interval log of its store."""
        try:
            hlog.append(self.path, cell)
        except ResultsError as error:
            self._warn(str(error))

    def join(self, tails: Iterable[AccessLog]) -> None:
        """Add to the samples how much of their time nginx had, as its logs say."""
        for tail in tails:
            try:
                tail.join(self.path)
            except OSError as error:
                self._warn(f"nginx's part of the samples is unknown: {error}")

    def _replace_partial(self, cells: Sequence[Cell]) -> None:
        draft = self.path / f".{PARTIAL_FILE}"
        draft.unlink(missing_ok=True)
        append_lines(draft, cells)
        draft.replace(self.path / PARTIAL_FILE)

    def _make_room(self, write: Callable[[], None]) -> None:
        """Write, and remove what is expendable if there is no room; raises ResultsError."""
        for name in EXPENDABLE:
            try:
                write()
            except ResultsError as error:
                cause = error.__cause__
                if not isinstance(cause, OSError) or cause.errno not in FULL:
                    raise
                self._give_up(cause)
                (self.path / name).unlink(missing_ok=True)
            else:
                return
        write()

    def _expend(self, write: Callable[[], None]) -> None:
        """Write what a run can do without, unless that failed before."""
        if self._error is None:
            try:
                write()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if self._error is None:
            self._warn(f"{self.path}: no series from now on: {error.strerror}")
            self._error = error


def append_lines(path: Path, lines: Iterable[msgspec.Struct]) -> None:
    """Add a line of JSON for each of these to a file; raises OSError."""
    with path.open("ab") as file:
        file.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
