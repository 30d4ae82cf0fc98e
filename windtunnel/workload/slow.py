"""Slow work, as it is ordered: what each of its requests is, and whose database it asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from windtunnel.client.api import Operation
from windtunnel.workload.mixes import MIXES

if TYPE_CHECKING:
    from windtunnel.workload.stores import StoreInfo

SLOW: Final = "slow"
"""The stream of slow work, and the pool that nginx sends it to."""

LONGEST_MS: Final = 10_000


class SlowKind(StrEnum):
    """What slow work there is: a sleep of a set time, or a store's heavy aggregation."""

    SLEEP = "sleep"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class SlowWork:
    """One request of slow work; `ms` is of a sleep."""

    kind: SlowKind = SlowKind.SLEEP
    ms: int = 100

    def __str__(self) -> str:
        return f"sleep of {self.ms} ms" if self.kind is SlowKind.SLEEP else "summary"


@dataclass(frozen=True, slots=True)
class SlowLoad:
    """So many requests a second of slow work."""

    rate: float
    work: SlowWork

    @property
    def needs(self) -> frozenset[str]:
        """What a store has to offer, that this may come beside its load."""
        return frozenset({Operation.SUMMARY} if self.work.kind is SlowKind.SUMMARY else ())

    def __str__(self) -> str:
        return f"{self.rate:g}/s slow ({self.work})"


def blocking_store(store: str) -> str:
    """Return the id of the store of the same engine and durability that blocks."""
    engine, _, rest = store.partition("/")
    return f"{engine}/blocking/{rest.partition('/')[2]}"


def why_no_slow_work(store: StoreInfo, work: SlowWork, offers: Sequence[StoreInfo]) -> str | None:
    """Return why a store cannot be accompanied by slow work, or None."""
    if work.kind is SlowKind.SLEEP or summary_store(store, offers) is not None:
        return None
    lacking = "no blocking store of its database that is up offers it"
    return f"slow work summary: {store.not_available.get(Operation.SUMMARY, lacking)}"


def summary_store(store: StoreInfo, offers: Sequence[StoreInfo]) -> str | None:
    """Return the blocking store of the same database and durability that gives summaries."""
    engine, _, durability = store.id.split("/")
    able = [
        other.id
        for other in offers
        if other.mode == "blocking"
        and other.id.endswith(f"/{durability}")
        and other.status == "up"
        and Operation.SUMMARY in other.operations
        and (other.id.startswith(f"{engine}/") or (other.service or "") == store.service)
    ]
    return min(able, key=lambda one: not one.startswith(f"{engine}/"), default=None)


def describe_streams(
    rates: Mapping[str, float], mix: str, work: SlowWork, summary_store: str = ""
) -> dict[str, dict[str, Any]]:
    """Return what a cell says of each of several streams: its rate, and what it asks for."""
    of_whom = f" of {summary_store}" if summary_store and work.kind is SlowKind.SUMMARY else ""
    told = {
        SLOW: {"work": f"{work}{of_whom}", "operations": [work.kind.value]},
        "": {"work": f"{mix} mix", "operations": [str(operation) for operation in MIXES[mix]]},
    }
    return {
        name: {"rate": rate, **told.get(name, told[""])} for name, rate in rates.items() if name
    }
