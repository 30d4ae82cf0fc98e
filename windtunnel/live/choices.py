"""What of the split can be chosen on the page: closed sets, made from the split in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from windtunnel.errors import UsageError

PROCESSES_AT_MOST: Final = 8
"""Of a pool that has no more already; whoever wants more has `windtunnel split set`."""

WEIGHT_AT_MOST: Final = 10

_PROCESSES: Final = ".processes"
_WEIGHTS: Final = ".weights"
_BALANCE: Final = ".balance"


class ChoiceError(UsageError):
    """A change that is not among the choices; the line names the key."""


@dataclass(frozen=True, slots=True)
class Choices:
    """The keys that can be changed, each with its values as text.

    Weights are no list of values but one of these for each process, or nothing for equal shares.
    """

    values: Mapping[str, Sequence[str]]
    weights: Mapping[str, int]
    now: Mapping[str, str]

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
        processes = int(changes.get(size, self.now[size]))
        allowed = {str(weight) for weight in range(1, WEIGHT_AT_MOST + 1)}
        given = value.split(",") if value else []
        if given and (len(given) != processes or not set(given) <= allowed):
            wanted = f"{processes} whole numbers from 1 to {WEIGHT_AT_MOST}, or nothing"
            raise ChoiceError(f"{key}: choose {wanted}")

    def told(self) -> dict[str, Any]:
        """As the page is told."""
        return {
            "values": {key: list(values) for key, values in self.values.items()},
            "weights": dict(self.weights),
            "now": dict(self.now),
        }


def choices(flat: Mapping[str, str], balances: Sequence[str]) -> Choices:
    """The choices that a split leaves; `flat` has each of its keys with the value as text."""
    pools = list(dict.fromkeys(key.split(".")[1] for key in flat if key.startswith("pools.")))
    values: dict[str, Sequence[str]] = {}
    weights: dict[str, int] = {}
    for key, now in flat.items():
        if key.startswith("routes."):
            values[key] = pools
        elif key.endswith(_PROCESSES):
            most = max(PROCESSES_AT_MOST, int(now))
            values[key] = [str(number) for number in range(1, most + 1)]
        elif key.endswith(_BALANCE):
            values[key] = list(balances)
        elif key.endswith(_WEIGHTS):
            weights[key] = WEIGHT_AT_MOST
    return Choices(values, weights, {key: flat[key] for key in (*values, *weights)})
