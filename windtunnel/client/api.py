"""The HTTP API of the server under test: methods, paths, statuses and payloads.

Its seven operations are the names of one scenario; the client itself takes any method and path.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec


class Operation(StrEnum):
    """The operations of a store."""

    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    EDIT = "edit"
    DELETE = "delete"
    FIND = "find"
    SUMMARY = "summary"


SLEEP: Final = "sleep"
"""An operation of the process, not of a store: to take a set time."""

METHOD: Final[Mapping[str, str]] = {
    Operation.CREATE: "POST",
    Operation.READ: "GET",
    Operation.UPDATE: "PUT",
    Operation.EDIT: "PATCH",
    Operation.DELETE: "DELETE",
    Operation.FIND: "GET",
    Operation.SUMMARY: "GET",
    SLEEP: "GET",
}

STATUS: Final[Mapping[str, int]] = dict.fromkeys((*Operation, SLEEP), 200) | {
    Operation.CREATE: 201,
    Operation.DELETE: 204,
}
"""The status of a successful response, by operation."""

POOL_HEADER: Final = b"X-Pool"
MAX_POPULATION_BYTES: Final = 64 * 1024 * 1024
"""The largest body that recreates a population."""


class Draft(msgspec.Struct, frozen=True, gc=False):
    """A record before it has an id: the body of create and update. `duration` is finite."""

    topic: str
    when: datetime
    duration: float
    tags: tuple[str, ...]


class Record(msgspec.Struct, frozen=True, gc=False):
    """What is stored under an id of 24 lower-case hex digits; `when` is UTC, whole ms."""

    id: str
    topic: str
    when: datetime
    duration: float
    tags: tuple[str, ...]


class FindResult(msgspec.Struct, frozen=True, gc=False):
    """The response to a find: newest `when` first."""

    records: tuple[Record, ...]


class PopulationIds(msgspec.Struct, frozen=True):
    """The response to recreating a population: ids in the order of the drafts."""

    ids: list[str]


class TagSummary(msgspec.Struct, frozen=True, gc=False):
    """A row of a summary; `mean` and `longest` in the unit of `duration`."""

    tag: str
    count: int
    mean: float
    longest: float


class SummaryResult(msgspec.Struct, frozen=True, gc=False):
    """The response to a summary: rows sorted by tag, over a table of `size` rows."""

    size: int
    tags: tuple[TagSummary, ...]


class SummarySize(msgspec.Struct, frozen=True):
    """The request and the response of seeding the summary's table."""

    size: int


class SleepResult(msgspec.Struct, frozen=True, gc=False):
    """The response to a sleep: its duration in milliseconds."""

    ms: int


class Problem(msgspec.Struct, frozen=True):
    """Problem details (RFC 9457), as far as a client shows them."""

    title: str = ""
    detail: str = ""
    status: int = 0


encode = msgspec.json.Encoder().encode
decode_record = msgspec.json.Decoder(Record).decode
decode_find_result = msgspec.json.Decoder(FindResult).decode
decode_population_ids = msgspec.json.Decoder(PopulationIds).decode
decode_summary_result = msgspec.json.Decoder(SummaryResult).decode
decode_summary_size = msgspec.json.Decoder(SummarySize).decode
decode_sleep_result = msgspec.json.Decoder(SleepResult).decode
decode_problem = msgspec.json.Decoder(Problem).decode


def sleep_path(ms: int, mode: str = "blocking", *, slow: bool = True) -> str:
    """The path of a sleep of `ms` milliseconds, by default on the slow pool's routes."""
    return f"{'/slow' if slow else ''}/sleep?ms={ms}&mode={mode}"


class Routes:
    """The paths of one store; with `slow`, the ones that nginx sends to the slow pool."""

    __slots__ = ("record_prefix", "records", "summary")

    def __init__(self, store: str, *, slow: bool = False) -> None:
        base = f"/slow/{store}" if slow else f"/{store}"
        self.records = f"{base}/records"
        self.record_prefix = f"{base}/records/"
        self.summary = f"{base}/summary"

    def record(self, id: str) -> str:
        """The path of one record."""
        return self.record_prefix + id

    def find(self, min_duration: float, limit: int) -> str:
        """The path that finds records longer than `min_duration`, newest first."""
        return f"{self.records}?min_duration={min_duration}&limit={limit}"
