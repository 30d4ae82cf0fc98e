"""The schemas of answers, apart from the record itself; openapi.json is made from them."""

from __future__ import annotations

from typing import TypedDict

from msgspec import Struct

from server.api.enums import Mode
from server.api.record import Record, TagSummary


class RecordList(Struct, gc=False):
    """Records, newest `when` first."""

    records: list[Record]


class RecordIds(Struct, gc=False):
    """The ids of a population, in the order in which its records were sent."""

    ids: list[str]


class SummaryResult(Struct, gc=False):
    """How many rows were summarized, and a summary for each tag, sorted by tag."""

    size: int
    tags: list[TagSummary]


class SummarySize(Struct, forbid_unknown_fields=True):
    """How many rows the summary's table holds: 0 to 10,000,000."""

    size: int

    def __post_init__(self) -> None:
        if not 0 <= self.size <= 10_000_000:
            raise ValueError("`size` is not between 0 and 10000000")


class Sleep(Struct):
    """How long to sleep, in whole milliseconds, and in which mode."""

    ms: int
    mode: Mode


class HealthStatus(Struct):
    """`ok` or `draining`."""

    status: str


class Ledger(TypedDict):
    """The facts printed beside a store's figures."""

    driver: str
    server: str | None
    promise: str
    survives_process_crash: bool
    survives_host_crash: bool
    connections: int
    round_trips: dict[str, int]
    codec: str
    transport: str
    notes: list[str]


class StoreEntry(TypedDict):
    """One store. `status` is up, down or missing (its driver is not installed)."""

    id: str
    engine: str
    mode: str
    durability: str
    default: bool
    service: str | None
    reference: bool
    local: bool
    status: str
    detail: str | None
    operations: list[str]
    not_available: dict[str, str]
    ledger: Ledger


class ProcessInfo(TypedDict):
    """The process that answered."""

    pool: str
    port: int
    pid: int
    python: str
    tornado: str
    loop: str
    connections: int


class Catalog(TypedDict):
    """Every store, and the process that serves them."""

    process: ProcessInfo
    stores: list[StoreEntry]
