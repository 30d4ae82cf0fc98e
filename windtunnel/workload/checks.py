"""What is wrong with an answer: pure functions that return a few words, or "" for a right one.

The words name fields and never hold data, so that equal failures are counted together.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import isclose

import msgspec

from windtunnel.client.api import (
    Draft,
    Record,
    SummaryResult,
    decode_find_result,
    decode_record,
    decode_sleep_result,
    decode_summary_result,
)
from windtunnel.client.response import Response, unexpected
from windtunnel.workload.dataset import LONGEST

NO_JSON = "not the JSON that was agreed on"


def failure(answer: Response, status: int) -> str:
    """The name of the failure if there is no answer, or one with another status than `status`."""
    if answer.status == status:
        return ""
    return unexpected(answer.status) if answer.status else answer.outcome


def as_record(body: bytes) -> Record | None:
    """Decode a record; None if it is none."""
    try:
        return decode_record(body)
    except msgspec.MsgspecError:
        return None


def named(id: str, draft: Draft) -> Record:
    """The record that `draft` becomes under `id`."""
    return Record(id, draft.topic, draft.when, draft.duration, draft.tags)


def same(record: Record | None, expected: Record) -> str:
    """Compare a record with what was last written."""
    if record == expected:
        return ""
    if record is None:
        return NO_JSON
    return differing(record, expected, Record.__struct_fields__)


def differing(record: Record, expected: Record, fields: Iterable[str]) -> str:
    """Name those of `fields` in which two records differ."""
    wrong = [name for name in fields if getattr(record, name) != getattr(expected, name)]
    return f"not as written: {', '.join(wrong)}" if wrong else ""


def created(record: Record | None, draft: Draft, answer: Response, path: str) -> str:
    """Check the answer to a create; `path` is where records of this store are."""
    if record is None:
        return NO_JSON
    if len(record.id) != 24:
        return "id is not 24 digits"
    if not answer.headers.get("location", "").endswith(path + record.id):
        return "Location is not the record's"
    return same(record, named(record.id, draft))


def found(body: bytes, min_duration: float, limit: int, population: int) -> str:
    """Check the answer to a find: the predicate, the order, the limit, and nothing left out.

    In a population of evenly spread durations so many records match that the limit is always
    reached; where five times the limit are not to be expected, fewer are taken as right.
    """
    try:
        records = decode_find_result(body).records
    except msgspec.MsgspecError:
        return NO_JSON
    expected = population * (1 - min_duration / LONGEST)
    if len(records) > limit:
        return "more than the limit"
    if len(records) < limit and expected >= 5 * limit:
        return "fewer than there are"
    return _in_order(records, min_duration)


def _in_order(records: tuple[Record, ...], min_duration: float) -> str:
    if any(record.duration <= min_duration for record in records):
        return "duration not greater than asked for"
    if any(one.when < next_.when for one, next_ in pairwise(records)):
        return "not newest first"
    return "" if len({record.id for record in records}) == len(records) else "a record twice"


def summarised(summary: SummaryResult, first: SummaryResult, size: int) -> str:
    """Check a summary against the first one: nobody writes to its table."""
    if summary.size != size:
        return "not the size that was seeded"
    tags = [row.tag for row in summary.tags]
    if not tags or tags != sorted(tags):
        return "tags not in order"
    if tags != [row.tag for row in first.tags]:
        return "other tags than before"
    pairs = zip(summary.tags, first.tags, strict=True)
    return "" if all(_equal(a, b) for a, b in pairs) else "other figures than before"


def slept(answer: Response, ms: int) -> str:
    """Check a sleep of `ms` milliseconds: nothing that takes a set time takes less."""
    try:
        told = decode_sleep_result(answer.body)
    except msgspec.MsgspecError:
        return NO_JSON
    return "" if told.ms == ms and answer.service_us >= ms * 1000 else "not as long as asked for"


def _equal(one: msgspec.Struct, other: msgspec.Struct) -> bool:
    pairs = zip(msgspec.structs.astuple(one), msgspec.structs.astuple(other), strict=True)
    return all(isclose(a, b, rel_tol=1e-9) if isinstance(a, float) else a == b for a, b in pairs)


# The summary as its asker checks it: nobody writes to its table, so each is as the first.


class Summaries:
    """Checks summaries of a table of `size` rows against the first of them."""

    __slots__ = ("_first", "_size")

    def __init__(self, size: int) -> None:
        self._first: SummaryResult | None = None
        self._size = size

    def flaw(self, body: bytes) -> str:
        """Return what is wrong with an answer in a few words, or ""."""
        try:
            summary = decode_summary_result(body)
        except msgspec.MsgspecError:
            return NO_JSON
        self._first = self._first or summary
        return summarised(summary, self._first, self._size)
