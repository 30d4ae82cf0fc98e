"""Mixes: in which proportions users do the operations.

Creates and deletes are equally many wherever both occur, so that a dataset keeps its size. An
operation alone has no companion, as the CPU time of its cell must be its own: `create` alone lets
the dataset grow, `delete` alone starts from one that is large enough (`dataset.population_size`)
and ends its window early should that run out. `sleep` uses no store: it shows what waiting costs
in a store's mode, whatever its database would do.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from windtunnel.client.api import SLEEP, Operation

CREATE, READ, UPDATE, EDIT, DELETE, FIND, SUMMARY = Operation

Mix = Mapping[str, int]
"""How often a user does each operation, out of the sum of all."""

MIXES: Final[Mapping[str, Mix]] = MappingProxyType(
    {
        "balanced": {CREATE: 1, READ: 6, EDIT: 2, DELETE: 1},
        "read-heavy": {CREATE: 1, READ: 36, EDIT: 2, DELETE: 1},
        "write-heavy": {CREATE: 2, READ: 2, UPDATE: 2, EDIT: 2, DELETE: 2},
        "find-heavy": {CREATE: 1, READ: 2, EDIT: 1, DELETE: 1, FIND: 5},
        **{operation.value: {operation: 1} for operation in Operation},
        SLEEP: {SLEEP: 1},
    }
)

NEEDS_RECORD: Final = frozenset({READ, UPDATE, EDIT, DELETE})


def consumes(mix: Mix) -> bool:
    """Whether a population shrinks under `mix`: it deletes more than it creates."""
    return mix.get(DELETE, 0) > mix.get(CREATE, 0)


class OperationBag:
    """Draws operations without replacement: each filling holds the mix exactly, shuffled anew."""

    __slots__ = ("_mix", "_remaining", "_shuffle")

    def __init__(self, mix: Mix, rng: random.Random) -> None:
        self._mix: list[str] = [operation for operation, count in mix.items() for _ in range(count)]
        self._remaining: list[str] = []
        self._shuffle: Callable[[list[str]], None] = rng.shuffle

    def draw(self) -> str:
        """Return the next operation."""
        if not self._remaining:
            self._remaining = self._mix.copy()
            self._shuffle(self._remaining)
        return self._remaining.pop()

    def create_first(self, operation: str) -> str:
        """Put back an operation that has no record to work on, and return a create instead.

        The create is taken from the rest of the bag, so that the proportions hold; only where none
        is left in it is there one more than the mix says.
        """
        if CREATE in self._remaining:
            self._remaining.remove(CREATE)
            self._remaining.append(operation)
        return CREATE
