"""Which seconds before and after a change of the split are compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

MAX_SPAN_S: Final = 240
"""The longest span on either side."""


class Span(NamedTuple):
    """Whole seconds of the epoch from `begin`, up to and without `end`."""

    begin: int
    end: int

    @property
    def seconds(self) -> int:
        """How many seconds it has."""
        return max(0, self.end - self.begin)


@dataclass(frozen=True, slots=True)
class ComparedSpans:
    """The spans on both sides; `limit` says why they will not get longer, empty if they may."""

    before: Span
    after: Span
    limit: str = ""


def compared_spans(
    change: Mapping[str, float], borders: Sequence[float], first: int, last: int
) -> ComparedSpans:
    """Return what is compared of the seconds from `first` to `last`, as long on either side.

    `borders` are the moments at which the load or the split changed, other than by this change.
    """
    began_at, clean_at = change["began_at"], change["clean_at"]
    earliest = max((first, *(border + 1 for border in borders if border <= began_at)))
    latest = min((last + 1, *(border for border in borders if border > began_at)))
    end, begin = math.floor(began_at), math.ceil(clean_at)
    earlier_s = Span(math.ceil(earliest), end).seconds
    later_s = Span(begin, math.floor(latest)).seconds
    length_s = min(earlier_s, later_s, MAX_SPAN_S)
    limit = ""
    if later_s >= MAX_SPAN_S <= earlier_s:
        limit = "Longer spans are not compared."
    elif later_s >= earlier_s:
        limit = "There is no more of the same load before the change."
    elif latest <= last:
        limit = "The load or the split changed again after it."
    return ComparedSpans(Span(end - length_s, end), Span(begin, begin + length_s), limit)
