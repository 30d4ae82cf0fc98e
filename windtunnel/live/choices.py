"""What can be changed of the split on the page: closed sets, made from the split in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from windtunnel.errors import UsageError

MAX_PROCESSES: Final = 8
"""Of a pool that has no more already; `windtunnel split set` allows more."""

MAX_WEIGHT: Final = 10

_PROCESSES: Final = ".processes"
_WEIGHTS: Final = ".weights"
_BALANCE: Final = ".balance"


class ChoiceError(UsageError):
    """A change that is not among the choices; the message names the key."""


@dataclass(frozen=True, slots=True)
class Choices:
    """The keys that can be changed: `values` as text, the highest of `weights`, the current ones.

    Weights are one number per process, separated by commas, or nothing for equal shares.
    """

    values: Mapping[str, Sequence[str]]
    weights: Mapping[str, int]
    current: Mapping[str, str]

    def check(self, changes: Mapping[str, str]) -> None:
        """Raise ChoiceError unless every change is one of the choices."""
        for key, value in changes.items():
            if key not in self.values and key not in self.weights:
                raise ChoiceError(f"{key[:100]!r} cannot be changed here")
            if key in self.values and value not in self.values[key]:
                raise ChoiceError(f"{key}: choose from {', '.join(self.values[key])}")
        for key in changes.keys() & self.weights.keys():
            self._check_weights(key, changes[key], changes)

    def _check_weights(self, key: str, value: str, changes: Mapping[str, str]) -> None:
        size = key.removesuffix(_WEIGHTS) + _PROCESSES
        processes = int(changes.get(size, self.current[size]))
        allowed = {str(weight) for weight in range(1, MAX_WEIGHT + 1)}
        weights = value.split(",") if value else []
        if weights and (len(weights) != processes or not set(weights) <= allowed):
            expected = f"{processes} whole numbers from 1 to {MAX_WEIGHT}, or nothing"
            raise ChoiceError(f"{key}: must be {expected}")

    def as_dict(self) -> dict[str, Any]:
        """Return the choices as the page gets them."""
        return {
            "values": {key: list(values) for key, values in self.values.items()},
            "weights": dict(self.weights),
            "now": dict(self.current),
        }


def choices(flat: Mapping[str, str], balances: Sequence[str]) -> Choices:
    """Return the choices for a split; `flat` has the value of each of its keys as text."""
    pools = list(dict.fromkeys(key.split(".")[1] for key in flat if key.startswith("pools.")))
    values: dict[str, Sequence[str]] = {}
    weights: dict[str, int] = {}
    for key, value in flat.items():
        if key.startswith("routes."):
            values[key] = pools
        elif key.endswith(_PROCESSES):
            most = max(MAX_PROCESSES, int(value))
            values[key] = [str(number) for number in range(1, most + 1)]
        elif key.endswith(_BALANCE):
            values[key] = list(balances)
        elif key.endswith(_WEIGHTS):
            weights[key] = MAX_WEIGHT
    return Choices(values, weights, {key: flat[key] for key in (*values, *weights)})
