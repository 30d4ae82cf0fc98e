"""Checks of responses: pure functions that return a flaw in a few words, or "" for none.

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
from windtunnel.client.response import Response, status_outcome
from windtunnel.workload.dataset import LONGEST

NO_JSON = "not the expected JSON"


def failure(response: Response, status: int) -> str:
    """The outcome if there is no response, or one with another status than `status`; else ""."""
    if response.status == status:
        return ""
    return status_outcome(response.status) if response.status else response.outcome


def parse_record(body: bytes) -> Record | None:
    """Decode a record; None if the body holds none."""
    try:
        return decode_record(body)
    except msgspec.MsgspecError:
        return None


def record_of(id: str, draft: Draft) -> Record:
    """The record that `draft` becomes under `id`."""
    return Record(id, draft.topic, draft.when, draft.duration, draft.tags)


def check_record(record: Record | None, expected: Record) -> str:
    """Compare a record with what was last written."""
    if record == expected:
        return ""
    if record is None:
        return NO_JSON
    return check_fields(record, expected, Record.__struct_fields__)


def check_fields(record: Record, expected: Record, fields: Iterable[str]) -> str:
    """Compare some fields of a record with what was last written."""
    wrong = [name for name in fields if getattr(record, name) != getattr(expected, name)]
    return f"not as written: {', '.join(wrong)}" if wrong else ""


def check_create(record: Record | None, draft: Draft, response: Response, prefix: str) -> str:
    """Check the response to a create; `prefix` is the path of a record up to its id."""
    if record is None:
        return NO_JSON
    if len(record.id) != 24:
        return "id is not 24 digits"
    if not response.headers.get("location", "").endswith(prefix + record.id):
        return "Location is not the record's"
    return check_record(record, record_of(record.id, draft))


def check_find(body: bytes, min_duration: float, limit: int, population: int) -> str:
    """Check the response to a find: predicate, order, limit, and that no record is missing.

    In a population of evenly spread durations so many records match that the limit is always
    reached; where fewer than five times the limit are expected to match, fewer records may come.
    """
    try:
        records = decode_find_result(body).records
    except msgspec.MsgspecError:
        return NO_JSON
    expected = population * (1 - min_duration / LONGEST)
    if len(records) > limit:
        return "more records than the limit"
    if len(records) < limit and expected >= 5 * limit:
        return "fewer records than match"
    return _check_order(records, min_duration)


def _check_order(records: tuple[Record, ...], min_duration: float) -> str:
    if any(record.duration <= min_duration for record in records):
        return "duration not above the minimum"
    if any(record.when < older.when for record, older in pairwise(records)):
        return "not newest first"
    unique = len({record.id for record in records}) == len(records)
    return "" if unique else "duplicate record"


def check_sleep(response: Response, ms: int) -> str:
    """Check a sleep of `ms` milliseconds: it takes no less time than that."""
    try:
        slept_ms = decode_sleep_result(response.body).ms
    except msgspec.MsgspecError:
        return NO_JSON
    return "" if slept_ms == ms and response.service_us >= ms * 1000 else "shorter than requested"


def _check_summary(summary: SummaryResult, first: SummaryResult, size: int) -> str:
    if summary.size != size:
        return "not the seeded size"
    tags = [row.tag for row in summary.tags]
    if not tags or tags != sorted(tags):
        return "tags not sorted"
    if tags != [row.tag for row in first.tags]:
        return "tags differ from the first summary"
    pairs = zip(summary.tags, first.tags, strict=True)
    return "" if all(_equal(a, b) for a, b in pairs) else "figures differ from the first summary"


def _equal(row: msgspec.Struct, other: msgspec.Struct) -> bool:
    pairs = zip(msgspec.structs.astuple(row), msgspec.structs.astuple(other), strict=True)
    return all(isclose(a, b, rel_tol=1e-9) if isinstance(a, float) else a == b for a, b in pairs)


class SummaryChecker:
    """Compares summaries of a table of `size` rows with the first: nobody writes to that table."""

    __slots__ = ("_first", "_size")

    def __init__(self, size: int) -> None:
        self._first: SummaryResult | None = None
        self._size = size

    def check(self, body: bytes) -> str:
        """Return the flaw of a summary in a few words, or ""."""
        try:
            summary = decode_summary_result(body)
        except msgspec.MsgspecError:
            return NO_JSON
        self._first = self._first or summary
        return _check_summary(summary, self._first, self._size)
