"""What went on beside the load of a cell: its bystanders, CPU time of others, the machine."""

from __future__ import annotations

import msgspec

from windtunnel.recording import cpu
from windtunnel.recording.health import cpu_ticks, stolen_share
from windtunnel.recording.results import BystanderResult, CpuSeconds
from windtunnel.runner.bystander import Bystanders


class SideMeasurements(msgspec.Struct, frozen=True, kw_only=True):
    """What a cell says of what is not its load; what is unknown is None.

    `steal` is the share of the machine's CPU time that the hypervisor took.
    """

    bystander: list[BystanderResult] = []
    cpu_s: CpuSeconds = CpuSeconds()
    steal: float | None = None
    flags: list[str] = []


class CellSideMeasurements:
    """Those of a cell: CPU time of `groups` of processes from when it is made until `end`."""

    def __init__(self, groups: cpu.Groups, bystanders: Bystanders) -> None:
        self._groups = groups
        self._bystanders = bystanders
        self._before = cpu.read(groups)
        self._ticks = cpu_ticks()
        self._ended = SideMeasurements()

    def end(self, until: float, timeout: float) -> None:
        """Count no more; bystanders wait `timeout` s for responses from before `until`."""
        spent = cpu.seconds(self._before, cpu.read(self._groups))
        steal = stolen_share(self._ticks, cpu_ticks())
        self._bystanders.end(until)
        self._bystanders.drain(timeout)
        self._ended = SideMeasurements(
            bystander=self._bystanders.results(),
            cpu_s=msgspec.convert(spent, CpuSeconds),
            steal=steal,
            flags=[process_ended(name) for name in self._groups if name not in spent],
        )

    def read(self, last: bool) -> SideMeasurements:  # noqa: ARG002
        """Return the readings: none before the end, as reading takes a while."""
        return self._ended


def process_ended(group: str) -> str:
    """Return the flag of a cell during which a process of a group ended: its CPU time is lost."""
    return f"a process of the {group} ended"
