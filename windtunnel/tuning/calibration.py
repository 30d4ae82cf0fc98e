"""What the model is given of each kind of work: measured while it was alone.

A process is held by a request for as long as its handler says (Server-Timing), without what an
async handler awaits, and for what Tornado itself takes around a handler. All else of a request's
time is beside the process: generator, nginx, kernel, and what was awaited.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from windtunnel.recording.results import Cell, CpuSeconds
from windtunnel.recording.series import SampledRequest
from windtunnel.recording.tuning_results import WorkProfile
from windtunnel.workload.slow import SlowKind, SlowWork

TORNADO_US: Final = 100.0
"""What Tornado takes of a CPU for an answer, around the handler (`make perf`)."""

MOST: Final = 2_000
"""Values that are kept of a kind."""


@dataclass(frozen=True, slots=True)
class IsolatedRequests:
    """Sampled requests of one kind that had the processes for itself."""

    requests: Sequence[SampledRequest]
    awaits: bool
    """Whether its handler awaits its driver, so that others can go on."""

    def kind(self, rate: float, *, poisson: bool, cpu: float) -> WorkProfile | None:
        """What the model is given of it; None where nothing was sampled."""
        requests = self.requests[:: len(self.requests) // MOST + 1]
        if not requests:
            return None
        held_us = [self._held(request) for request in requests]
        total_us = [request.response_us or request.service_us for request in requests]
        return WorkProfile(
            rate=rate,
            service_us=[round(us, 1) for us in held_us],
            beside_us=[
                round(max(0.0, total - held), 1)
                for total, held in zip(total_us, held_us, strict=True)
            ],
            poisson=poisson,
            cpu=cpu,
        )

    def _held(self, request: SampledRequest) -> float:
        parts = request.parts_us
        names = ("handler",) if self.awaits else ("handler", "driver")
        return TORNADO_US + sum(parts.get(name) or 0.0 for name in names)


def computing(work: SlowWork) -> float:
    """The share of slow work that computes: a sleep does not, a summary does all the time.

    Where the database computes a summary, it does so on the same machine.
    """
    return 0.0 if work.kind is SlowKind.SLEEP else 1.0


def cores_left(cells: Iterable[Cell], machine: float) -> float:
    """How many cores generator, nginx and hypervisor left to the processes, on average."""
    measured = [cell for cell in cells if cell.seconds]
    if not measured:
        return machine
    left = [machine * (1 - (cell.health.get("steal") or 0.0)) - _others(cell) for cell in measured]
    return max(0.1, sum(left) / len(left))


def _others(cell: Cell) -> float:
    spent: CpuSeconds = cell.cpu_s
    return ((spent.generator or 0.0) + (spent.nginx or 0.0)) / cell.seconds
