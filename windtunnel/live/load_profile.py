"""What the arguments of a test come to: how its load is to be sent from now on."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field

from windtunnel.live.pausing import paused
from windtunnel.workload.arrivals import Arrivals
from windtunnel.workload.slow import SlowKind, SlowWork


@dataclass(frozen=True, slots=True)
class LoadProfile:
    """What a process is to do: part `index` of `parts` of so many requests a second in all.

    `rates` are by stream; without any the load is closed. While `paused` nothing is sent, and
    nothing intended.
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
        paces = " and ".join(f"{name} {rate:g}".strip() for name, rate in self.rates.items())
        how = f"open load, {paces} requests/s, {self.arrivals}"
        return f"{how}: times are response times, from the intended send"


def course(options: Namespace, index: int = 0, parts: int = 1) -> LoadProfile:
    """Return what the arguments of a test say."""
    arrivals: Arrivals = "poisson" if options.poisson else "constant"
    return LoadProfile(rates(options), arrivals, index, parts, paused(options))


def rates(options: Namespace) -> dict[str, float]:
    """Return the rates that the arguments of a test say, by stream; none is closed load."""
    if options.streams:
        return {stream: getattr(options, f"{stream}_rate") for stream in options.streams}
    return {"": options.rate} if options.rate else {}


def work(options: Namespace) -> SlowWork | None:
    """Return what slow work the arguments of a test say; raises ValueError for no kind of it."""
    if not hasattr(options, "slow_work"):
        return None
    return SlowWork(SlowKind(options.slow_work), options.sleep_ms)
