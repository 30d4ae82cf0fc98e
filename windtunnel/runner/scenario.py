"""The scenarios of `locustfiles/`, and the defaults that their files state."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from windtunnel.errors import UsageError

FOLDER: Final = Path(__file__).parents[2] / "locustfiles"

DURATION_S: Final = 2.0
"""Of a cell, in a scenario that does not state it."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a scenario is measured with by default: the plain values in its file.

    `stream_rates` has the rate of each stream, fast and slow, where it has both; without these and
    without `rate` the load is closed. Rates in requests a second, `duration` in seconds.
    """

    name: str
    stores: tuple[str, ...] = ()
    mix: str = "balanced"
    rate: float | None = None
    stream_rates: Mapping[str, float] = field(default_factory=dict)
    poisson: bool = False
    duration: float = DURATION_S

    @classmethod
    def read(cls, name: str) -> Self:
        """Return the scenario of this name; raises UsageError unless `locustfiles/` has it."""
        if name not in names():
            raise UsageError(f"there is no scenario {name!r}: choose from {', '.join(names())}")
        constants = _constants(FOLDER / f"{name}.py")
        return cls(
            name,
            stores=constants.get("STORES", ()),
            mix=constants.get("MIX", "balanced"),
            rate=constants.get("RATE"),
            stream_rates=constants.get("RATES", {}),
            poisson=constants.get("POISSON", False),
            duration=constants.get("DURATION", DURATION_S),
        )

    @property
    def rates(self) -> tuple[float, ...]:
        """The open rate of the mix, if there is one."""
        rate = self.stream_rates.get("fast", self.rate)
        return () if rate is None else (rate,)

    @property
    def slow_rates(self) -> tuple[float, ...]:
        """The rate of the slow stream, if there is one."""
        return (self.stream_rates["slow"],) if self.stream_rates else ()


def names() -> list[str]:
    """Return the names of all scenarios."""
    return sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


def _constants(path: Path) -> dict[str, Any]:
    """Return a module's plain values without importing it, as that would import Locust."""
    constants = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            with suppress(ValueError):
                constants[node.targets[0].id] = ast.literal_eval(node.value)
    return constants
