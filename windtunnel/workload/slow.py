"""Slow work: what each of its requests is, at which rate they come, and which store serves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from windtunnel.client.api import Operation
from windtunnel.recording.results import StreamResult
from windtunnel.workload.mixes import MIXES

if TYPE_CHECKING:
    from windtunnel.workload.stores import StoreInfo

SLOW: Final = "slow"
"""The name of the stream of slow work, and of the pool that nginx sends it to."""

LONGEST_MS: Final = 10_000


class SlowKind(StrEnum):
    """The kinds of slow work: a sleep of a set time, or a store's heavy aggregation."""

    SLEEP = "sleep"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class SlowWork:
    """What one request of slow work is; `ms` is the duration of a sleep."""

    kind: SlowKind = SlowKind.SLEEP
    ms: int = 100

    def __str__(self) -> str:
        return f"sleep of {self.ms} ms" if self.kind is SlowKind.SLEEP else "summary"


@dataclass(frozen=True, slots=True)
class SlowLoad:
    """`rate` requests a second of slow work, beside the load on a store."""

    rate: float
    work: SlowWork

    @property
    def needs(self) -> frozenset[str]:
        """The operations that the store of the slow work must support."""
        return frozenset({Operation.SUMMARY} if self.work.kind is SlowKind.SUMMARY else ())

    def __str__(self) -> str:
        return f"{self.rate:g}/s slow ({self.work})"


def blocking_store(store: str) -> str:
    """Return the id of the store of the same engine and durability in mode `blocking`."""
    engine, _, rest = store.partition("/")
    return f"{engine}/blocking/{rest.partition('/')[2]}"


def why_no_slow_work(store: StoreInfo, work: SlowWork, stores: Sequence[StoreInfo]) -> str | None:
    """Return why slow work cannot accompany the load on a store, or None."""
    if work.kind is SlowKind.SLEEP or summary_store(store, stores) is not None:
        return None
    reason = "no blocking store of its database that is up offers it"
    return f"slow work summary: {store.not_available.get(Operation.SUMMARY, reason)}"


def summary_store(store: StoreInfo, stores: Sequence[StoreInfo]) -> str | None:
    """Return the id of the blocking store whose summaries are the slow work beside a store.

    It has the same database and durability, and the same engine where that has one; None if no
    such store is up.
    """
    engine, _, durability = store.id.split("/")
    ids = [
        other.id
        for other in stores
        if other.mode == "blocking"
        and other.id.endswith(f"/{durability}")
        and other.status == "up"
        and Operation.SUMMARY in other.operations
        and (other.id.startswith(f"{engine}/") or (other.service or "") == store.service)
    ]
    return min(ids, key=lambda store_id: not store_id.startswith(f"{engine}/"), default=None)


def describe_streams(
    rates: Mapping[str, float], mix: str, work: SlowWork, store: str = ""
) -> dict[str, StreamResult]:
    """Return each of several streams by its name: its rate, its work, its operations.

    `store` is the one whose summaries the slow stream requests.
    """
    of_store = f" of {store}" if store and work.kind is SlowKind.SUMMARY else ""
    operations = [str(operation) for operation in MIXES[mix]]
    return {
        name: StreamResult(rate=rate, work=f"{work}{of_store}", operations=[work.kind.value])
        if name == SLOW
        else StreamResult(rate=rate, work=f"{mix} mix", operations=operations)
        for name, rate in rates.items()
        if name
    }
