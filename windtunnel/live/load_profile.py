"""The load that a test sends now, as its arguments say: open or closed, its rates, or paused."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field

from windtunnel.workload.arrivals import Arrivals
from windtunnel.workload.slow import SlowKind, SlowWork


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """What one process of a test sends: share `index` of `parts` of `rates`, requests per second.

    `rates` are by stream; without any the load is closed. While `paused` no request is sent and
    none is scheduled.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    arrivals: Arrivals = "constant"
    index: int = 0
    parts: int = 1
    paused: bool = False

    def __str__(self) -> str:
        if self.paused:
            return "paused: nothing is sent"
        if not self.rates:
            return "closed load: times are service times, from the actual send"
        rates = " and ".join(f"{name} {rate:g}".strip() for name, rate in self.rates.items())
        load = f"open load, {rates} requests/s, {self.arrivals}"
        return f"{load}: times are response times, from scheduled start"


def load_profile(options: Namespace, index: int = 0, parts: int = 1) -> LoadProfile:
    """Return the profile of process `index` of `parts` that the arguments of a test stand for."""
    arrivals: Arrivals = "poisson" if options.poisson else "constant"
    return LoadProfile(rates(options), arrivals, index, parts, is_paused(options))


def rates(options: Namespace) -> dict[str, float]:
    """Return requests per second by stream; empty for closed load."""
    if options.streams:
        return {stream: getattr(options, f"{stream}_rate") for stream in options.streams}
    return {"": options.rate} if options.rate else {}


def slow_work(options: Namespace) -> SlowWork | None:
    """Return the slow work of a test, None without any; raises ValueError for an unknown kind."""
    if not hasattr(options, "slow_work"):
        return None
    return SlowWork(SlowKind(options.slow_work), options.sleep_ms)


def set_paused(options: Namespace, paused: bool) -> None:
    """Pause or resume the load of a test; every process follows within a second."""
    options.paused = paused


def is_paused(options: Namespace) -> bool:
    """Whether the load is paused."""
    return getattr(options, "paused", False)
