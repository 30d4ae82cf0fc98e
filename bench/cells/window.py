"""What is seen of a cell between two moments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from bench.cells.bystander import Bystanders
from bench.cells.recording import Recording, counts, measured, schedule
from bench.load.crowd import Crowd
from bench.load.loads import Load
from bench.measure import cpu
from bench.measure.health import Health, flags
from bench.measure.recorder import Recorded


class Window:
    """Closed load: requests count if they ended in it. Open load: if they were meant for it.

    CPU is read at both edges: before the first, and right after the last of these requests.
    """

    def __init__(
        self,
        crowd: Crowd,
        load: Load,
        beside: Bystanders,
        groups: cpu.Groups,
        folder: Path | None,
        facts: Mapping[str, Any],
    ) -> None:
        self._crowd, self._load, self._beside, self._groups = crowd, load, beside, groups
        self._before = cpu.read(groups)
        self._health = Health()
        self._own = process_time()
        self._recording = Recording(crowd.recorder, folder, facts, crowd.sampler, self._counts)
        crowd.retried.clear()
        self._began = perf_counter()

    def open(self, seconds: float) -> None:
        """Let the load work for `seconds`, or until it is over; raises CellError."""
        self._load.begin(self._began, self._began + seconds)
        self._beside.count_from(self._began)
        self._beside.end(self._began + seconds)
        self._load.run(seconds)

    def close(self, timeout: float) -> dict[str, Any]:
        """Return the measured part of a line of `cells.jsonl`, open load's last answers in it."""
        until = self._load.finish(timeout)
        recorded = self._recording.end()
        generator = round(process_time() - self._own, 6)
        spent = cpu.seconds(self._before, cpu.read(self._groups))
        health = self._health.stop() | schedule(self._load.sent)
        self._beside.end(until)
        self._beside.drain(timeout)
        seconds = until - self._began
        return {
            **measured(recorded, seconds),
            **self._counts(recorded),
            "bystander": self._beside.told(),
            "cpu_s": {"generator": generator, **dict.fromkeys(self._groups), **spent},
            "health": health,
            "flags": [*flags(health), *self._flags(spent)],
            "void": None,
        }

    def _counts(self, recorded: Recorded) -> dict[str, int | None]:
        retried = self._crowd.retried.total()
        return {**counts(recorded, self._load.sent), "retried": retried}

    def _flags(self, spent: Mapping[str, float]) -> list[str]:
        found = [f"a process of the {name} ended" for name in self._groups if name not in spent]
        if self._crowd.depleted.is_set():
            found.append("ended early: a user had no record left to delete")
        if self._recording.error is not None:
            found.append(f"no series: {self._recording.error.strerror}")
        return found
