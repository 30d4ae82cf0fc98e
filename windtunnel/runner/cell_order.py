"""What goes through the pipe to the generator and back: the order for a cell, and events.

Runner and tuner build the same `CellOrder` that the generator reads. Both ways it is a line of
JSON; neither end needs the other's libraries, so gevent and Locust stay in the generator.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from windtunnel.recording.conditions import Conditions
from windtunnel.recording.results import Cell
from windtunnel.workload.arrivals import Arrivals
from windtunnel.workload.options import (
    COOKIES,
    MAX_IN_FLIGHT,
    POPULATION,
    RETRY_STALE,
    SEED,
    SLEEP_MS,
    SUMMARY_SIZE,
)  # fmt: skip
from windtunnel.workload.slow import LONGEST_MS, SlowKind, SlowLoad, SlowWork, blocking_store

BYSTANDER_RATE: Final = 20.0
"""Requests a second to each process: 20 responses, of 50 us each, are a thousandth of it."""

LOADED_RATE: Final = 100.0
"""Those to the one process that a stack's cell loads: half a percent of it, for 1,000 in a run."""

SAMPLES: Final = 50
"""Requests of every second that are kept whole."""


class CellOrder(Conditions, frozen=True, kw_only=True, tag_field="cmd", tag="cell"):
    """A cell to measure: its conditions, and how to bring them about. Times are in seconds.

    With a `rate` (requests a second) the load is open and `users` does not count; at most
    `max_in_flight` requests are in flight. Where a scenario has slow work, it comes at `slow_rate`
    beside that: sleeps of `sleep_ms`, or the summary of `slow_store`. `target` is the address to
    load. `bystanders` are addresses of processes, each asked at `bystander_rate`, the one that is
    the target itself at `loaded_rate` if that is given. `folder` gets the series, the cell while it
    is unfinished, and `sample` requests of every second. `groups` are the process ids whose CPU
    time is counted, by the name of their group.
    """

    scenario: str = "crud"
    arrivals: Arrivals = "constant"
    max_in_flight: int = MAX_IN_FLIGHT.default
    slow_work: SlowKind = SlowKind.SLEEP
    sleep_ms: Annotated[int, msgspec.Meta(ge=1, le=LONGEST_MS)] = SLEEP_MS.default
    slow_store: str | None = None
    seed: int = SEED.default
    population: int = POPULATION.default
    summary_size: int = SUMMARY_SIZE.default
    target: str
    warmup: float
    duration: float
    timeout: float = 10.0
    retry_stale: bool = RETRY_STALE.default
    cookies: bool = COOKIES.default
    bystanders: list[str] = []
    bystander_rate: float = BYSTANDER_RATE
    loaded_rate: float | None = None
    sample: int = 0
    folder: str | None = None
    groups: dict[str, list[int]] = {}

    def __post_init__(self) -> None:
        if self.rate is None and not self.users:
            raise ValueError("a cell needs users or a rate")
        if self.rate is not None and self.rate <= 0:
            raise ValueError("a rate must be greater than 0")
        if self.slow_rate is not None and self.slow_rate < 0:
            raise ValueError("a slow rate must be 0 or more")
        if self.rate is not None:
            msgspec.structs.force_setattr(self, "users", None)

    @property
    def connections(self) -> int:
        """How many requests can be in flight."""
        return self.max_in_flight if self.rate is not None else self.users or 0

    @property
    def work(self) -> SlowWork:
        """What slow work there is."""
        return SlowWork(self.slow_work, self.sleep_ms)

    @property
    def summary_store(self) -> str:
        """Whose summary slow work asks for: by default the same engine's blocking store."""
        return self.slow_store or blocking_store(self.subject)

    @property
    def process(self) -> str | None:
        """The process that is loaded directly, as its bystander calls it; None behind nginx."""
        return process_name(self.target) if self.target in self.bystanders else None

    def beside(self, slow: SlowLoad | None, store: str | None) -> CellOrder:
        """Return the order with slow work beside its load; `store` is the one that summarises."""
        if slow is None:
            return self
        return msgspec.structs.replace(
            self,
            slow_rate=slow.rate,
            slow_work=slow.work.kind,
            sleep_ms=slow.work.ms,
            slow_store=store,
        )


def process_name(url: str) -> str:
    """What a cell calls the process at an address."""
    return url.removeprefix("http://").rstrip("/")


class Ready(msgspec.Struct, frozen=True, tag_field="event", tag="ready"):
    """The generator takes orders."""


class Reset(msgspec.Struct, frozen=True, tag_field="event", tag="reset"):
    """The store of an order is being brought to its starting state."""


class Measuring(msgspec.Struct, frozen=True, tag_field="event", tag="measuring"):
    """The warm-up is over: what is sent from now on counts."""


class Done(msgspec.Struct, frozen=True, tag_field="event", tag="done"):
    """An order's cell, measured."""

    cell: Cell


class Failed(msgspec.Struct, frozen=True, tag_field="event", tag="error"):
    """An order's cell could not be measured, and why, in one line."""

    detail: str


Event = Ready | Reset | Measuring | Done | Failed
