"""The summary as its asker checks it: nobody writes to its table, so each is as the first."""

from __future__ import annotations

import msgspec

from bench.contract import Summary, decode_summary
from bench.load import checks


class Summaries:
    """Checks summaries of a table of `size` rows against the first of them."""

    __slots__ = ("_first", "_size")

    def __init__(self, size: int) -> None:
        self._first: Summary | None = None
        self._size = size

    def flaw(self, body: bytes) -> str:
        """Return what is wrong with an answer in a few words, or ""."""
        try:
            summary = decode_summary(body)
        except msgspec.MsgspecError:
            return checks.NO_JSON
        self._first = self._first or summary
        return checks.summarised(summary, self._first, self._size)
